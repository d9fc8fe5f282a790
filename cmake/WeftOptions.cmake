# SPDX-License-Identifier: Apache-2.0
# Every switch the build has. Four, not forty.
option(WEFT_TESTS "build the tests" ON)
option(WEFT_FUZZ "build the libFuzzer targets (needs clang)" OFF)
option(WEFT_DOCS "install the man pages" ON)
set(WEFT_SANITIZE "" CACHE STRING "sanitizers: 'address;undefined', 'thread' or empty")
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "build type" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${WEFT_CCACHE}")
endif()
