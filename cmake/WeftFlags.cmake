# SPDX-License-Identifier: Apache-2.0
# One interface target that every target of ours links: language, warnings, visibility, hardening, sanitizers.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(weft_flags INTERFACE)
target_compile_definitions(weft_flags INTERFACE _GNU_SOURCE WEFT_VERSION="${PROJECT_VERSION}")
target_include_directories(weft_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(weft_flags INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers
    -fvisibility=hidden -fno-strict-aliasing -fno-common
    -fstack-protector-strong -fstack-clash-protection)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Text for people is cut to its buffer on purpose; the guess differs between -O1 and -O2.
    target_compile_options(weft_flags INTERFACE -Wno-format-truncation)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|i.86")
    target_compile_options(weft_flags INTERFACE -fcf-protection)
endif()
if(NOT WEFT_SANITIZE)
    target_compile_options(weft_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
target_link_options(weft_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)

# Executables are position independent; libraries are already -fPIC.
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")

# Sanitized programs are large, and a test each: mold, where it is installed, links them in half the time.
if(WEFT_SANITIZE)
    find_program(WEFT_MOLD mold)
    if(WEFT_MOLD)
        target_link_options(weft_flags INTERFACE -fuse-ld=mold)
    endif()
endif()
foreach(san IN LISTS WEFT_SANITIZE)
    target_compile_options(weft_flags INTERFACE -fsanitize=${san} -fno-omit-frame-pointer)
    target_link_options(weft_flags INTERFACE -fsanitize=${san})
    if(san STREQUAL "undefined")
        target_compile_options(weft_flags INTERFACE -fno-sanitize-recover=undefined)
    endif()
endforeach()
if(WEFT_FUZZ)
    target_compile_options(weft_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
