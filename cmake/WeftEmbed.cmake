# SPDX-License-Identifier: Apache-2.0
# weft_embed_schema(VAR ROOT FILE NAME): compiles ROOT/FILE with its imports into a descriptor set and makes it a C source that defines
#   const unsigned char NAME[]; const unsigned long NAME_len;
# for products that weftd brings along. VAR is set to the source. Run with -P, this file is also the writer.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ "${DESC}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
    file(WRITE "${OUT}" "extern const unsigned char ${NAME}[];\nextern const unsigned long ${NAME}_len;\n"
        "const unsigned char ${NAME}[] = {\n${bytes}\n};\nconst unsigned long ${NAME}_len = sizeof ${NAME};\n")
    return()
endif()

set(WEFT_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")
function(weft_embed_schema var root file name)
    set(desc "${PROJECT_BINARY_DIR}/gen/${name}.desc")
    set(out "${PROJECT_BINARY_DIR}/gen/${name}.c")
    file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/gen")
    add_custom_command(OUTPUT "${out}"
        COMMAND "${WEFT_PROTOC}" "--proto_path=${root}" "--proto_path=${WEFT_PROTOBUF_INCLUDE}" --include_imports
            "--descriptor_set_out=${desc}" "${file}"
        COMMAND "${CMAKE_COMMAND}" -DDESC=${desc} -DOUT=${out} -DNAME=${name} -P "${WEFT_EMBED_SCRIPT}"
        DEPENDS "${root}/${file}" "${WEFT_EMBED_SCRIPT}" VERBATIM COMMENT "schema ${file}")
    set(${var} "${out}" PARENT_SCOPE)
endfunction()
