# SPDX-License-Identifier: Apache-2.0
# share/weft in the build tree is laid out as it is installed, so that programs find the same files in both:
#   share/weft/proto/weft/{v1,common/v1,...}/*.proto      what a .proto of anybody may import
#   share/weft/products/DOMAIN/NAME.{yaml,desc}           manifests with their compiled schemas; NAME.rules: alerts
set(WEFT_SHARE "${PROJECT_BINARY_DIR}/share/weft")
set(WEFT_SHARE_DIR "${CMAKE_INSTALL_DATADIR}/weft")

# weft_share_proto(ROOT FILE...): FILE below ROOT, kept under the same path.
function(weft_share_proto root)
    foreach(file IN LISTS ARGN)
        configure_file("${root}/${file}" "${WEFT_SHARE}/proto/${file}" COPYONLY)
        set_property(GLOBAL APPEND PROPERTY WEFT_SHARE_PROTOS "${WEFT_SHARE}/proto/${file}")
        get_filename_component(folder "${file}" DIRECTORY)
        install(FILES "${root}/${file}" DESTINATION "${WEFT_SHARE_DIR}/proto/${folder}")
    endforeach()
endfunction()

# weft_share_package(FOLDER FILE...): files of this directory as FOLDER/FILE.
function(weft_share_package folder)
    foreach(file IN LISTS ARGN)
        configure_file("${file}" "${WEFT_SHARE}/proto/${folder}/${file}" COPYONLY)
        set_property(GLOBAL APPEND PROPERTY WEFT_SHARE_PROTOS "${WEFT_SHARE}/proto/${folder}/${file}")
        install(FILES "${file}" DESTINATION "${WEFT_SHARE_DIR}/proto/${folder}")
    endforeach()
endfunction()

# weft_product(DOMAIN NAME PROTO): products/NAME.yaml of this directory and NAME.desc, made of PROTO (a path as imports
# have it) with all it imports. Without comments, four fifths of which would be those of descriptor.proto: what a field means
# is in its options. What PROTO imports must have been shared before.
function(weft_product domain name proto)
    set(to "${WEFT_SHARE}/products/${domain}")
    configure_file("products/${name}.yaml" "${to}/${name}.yaml" COPYONLY)
    get_property(protos GLOBAL PROPERTY WEFT_SHARE_PROTOS)
    add_custom_command(OUTPUT "${to}/${name}.desc"
        COMMAND "${WEFT_PROTOC}" "--proto_path=${WEFT_SHARE}/proto" "--proto_path=${WEFT_PROTOBUF_INCLUDE}"
            --include_imports "--descriptor_set_out=${to}/${name}.desc" "${proto}"
        DEPENDS ${protos} VERBATIM COMMENT "protoc ${domain}/${name}")
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/products/${name}.rules")
        configure_file("products/${name}.rules" "${to}/${name}.rules" COPYONLY)
        install(FILES "products/${name}.rules" DESTINATION "${WEFT_SHARE_DIR}/products/${domain}")
    endif()
    install(FILES "products/${name}.yaml" "${to}/${name}.desc" DESTINATION "${WEFT_SHARE_DIR}/products/${domain}")
    add_custom_target(weft_product_${domain}_${name} ALL DEPENDS "${to}/${name}.desc")
endfunction()
