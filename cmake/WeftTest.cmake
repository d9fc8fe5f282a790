# SPDX-License-Identifier: Apache-2.0
# weft_test(LAYER UNIT [THREADS] [SOURCES a.c ...] [LINK lib ...] [LABELS l ...] [TIMEOUT s])
# Builds tests/LAYER/test_UNIT.c into one Check binary and registers it as LAYER.UNIT. THREADS: several threads run in it, so it
# runs under TSan as well (label tsan).
find_package(PkgConfig REQUIRED)
pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
# The system's, which has the packages that install-deps.sh brings; another one in PATH is second best, and tests are skipped under it.
find_program(WEFT_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(WEFT_PYTHON3 python3 REQUIRED)

set(WEFT_TEST_ENV
    "WEFT_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "WEFT_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "CK_DEFAULT_TIMEOUT=100" "CK_TIMEOUT_MULTIPLIER=4" # ctest's own limit is the one that counts on a busy machine
    "ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=50:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp")

# For SOURCES and LINK: golden pairs; allocations that fail on demand; scenarios of which every call fails in turn.
set(WEFT_TEST_GOLDEN "${PROJECT_SOURCE_DIR}/tests/support/golden.c")
set(WEFT_TEST_OOM "${PROJECT_SOURCE_DIR}/tests/support/support_oom.c")
set(WEFT_TEST_SCENARIO_PLAIN "${WEFT_TEST_OOM}" "${PROJECT_SOURCE_DIR}/tests/support/scenario.c"
    "${PROJECT_SOURCE_DIR}/tests/support/fault_libs.c") # of a program without SQLite
set(WEFT_TEST_SCENARIO ${WEFT_TEST_SCENARIO_PLAIN} "${PROJECT_SOURCE_DIR}/tests/support/fault_sqlite.c")
set(WEFT_TEST_OOM_WRAP "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc")

# What a run of one label needs, so that the rest need not be built.
add_custom_target(tsan_tests)

function(weft_test layer unit)
    cmake_parse_arguments(T "THREADS" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
    if(NOT T_LABELS)
        set(T_LABELS unit)
    endif()
    if(T_THREADS)
        list(APPEND T_LABELS tsan)
    endif()
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 120)
    endif()
    math(EXPR limit "2 * ${T_TIMEOUT}") # T_TIMEOUT is enough for a machine that does nothing else
    set(exe test_${layer}_${unit})
    add_executable(${exe} "${PROJECT_SOURCE_DIR}/tests/${layer}/test_${unit}.c" ${T_SOURCES})
    target_link_libraries(${exe} PRIVATE weft_flags weft_test_support ${T_LINK} PkgConfig::CHECK)
    target_link_options(${exe} PRIVATE -Wl,--wrap=_mark_point) # tests/support/mark.c
    if("tsan" IN_LIST T_LABELS)
        add_dependencies(tsan_tests ${exe})
    endif()
    add_test(NAME ${layer}.${unit} COMMAND ${exe})
    set_tests_properties(${layer}.${unit} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${limit}
        ENVIRONMENT "${WEFT_TEST_ENV}" SKIP_RETURN_CODE 77)
endfunction()

# weft_script_test(NAME COMMAND... [LABELS l] [TIMEOUT s]): any program; exit 77 is a visible skip.
function(weft_script_test name)
    cmake_parse_arguments(T "SERIAL" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 300)
    endif()
    math(EXPR limit "2 * ${T_TIMEOUT}") # as above
    add_test(NAME ${name} COMMAND ${T_COMMAND} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    # What may take longest begins first, so that nothing long is left alone at the end.
    set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${limit} COST ${T_TIMEOUT}
        ENVIRONMENT "${WEFT_TEST_ENV}" SKIP_RETURN_CODE 77)
    if(T_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
    endif()
endfunction()

# weft_fuzz(UNIT LINK...): tests/fuzz/fuzz_UNIT.c. With WEFT_FUZZ it is a libFuzzer program; in every build the same
# file, linked with a small driver, replays the corpus, so a finding stays a regression test under every compiler.
function(weft_fuzz unit)
    set(exe fuzz_${unit})
    add_executable(${exe} "${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${unit}.c")
    target_link_libraries(${exe} PRIVATE weft_flags weft_test_support ${ARGN})
    set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${unit}")
    if(WEFT_FUZZ)
        target_link_options(${exe} PRIVATE -fsanitize=fuzzer)
        set(fuzz_args "-rss_limit_mb=2048 -timeout=10 -print_final_stats=0 -verbosity=0") # one string: it goes into a shell line
        add_test(NAME fuzz.${unit} COMMAND sh -c
            "d=$(mktemp -d) && cp -r ${corpus}/. $d/ && cd $d && $<TARGET_FILE:${exe}> ${fuzz_args} -max_total_time=\${WEFT_FUZZ_SECONDS:-5} $d; rc=$?; rm -rf $d; exit $rc")
        set_tests_properties(fuzz.${unit} PROPERTIES LABELS "fuzz" TIMEOUT 100000 ENVIRONMENT "${WEFT_TEST_ENV}")
        add_test(NAME fuzz-long.${unit} COMMAND sh -c
            "d=$(mktemp -d) && cp -r ${corpus}/. $d/ && cd $d && $<TARGET_FILE:${exe}> ${fuzz_args} -max_total_time=\${WEFT_FUZZ_SECONDS:-60} $d; rc=$?; rm -rf $d; exit $rc")
        set_tests_properties(fuzz-long.${unit} PROPERTIES LABELS "fuzz-long" TIMEOUT 100000 ENVIRONMENT "${WEFT_TEST_ENV}")
    else()
        target_sources(${exe} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c")
        add_test(NAME fuzz-corpus.${unit} COMMAND ${exe} "${corpus}")
        set_tests_properties(fuzz-corpus.${unit} PROPERTIES LABELS "fuzz;unit" TIMEOUT 240 ENVIRONMENT "${WEFT_TEST_ENV}")
    endif()
endfunction()
