#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/sdk/install.sh BUILD-DIR
# sdk.install: what is installed is enough to build a program against libweft: with pkg-config, shared and static, and as a CMake package,
# from C and from C++; pkg-config names all that the whole archive needs.
set -euo pipefail

build=$1
source=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
sanitize=$(sed -n 's/^WEFT_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt" | tr ';' ',')
flags=${sanitize:+-fsanitize=$sanitize}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-install-XXXXXX")
trap 'rm -rf "$tmp"' EXIT

cmake --install "$build" --prefix "$tmp/usr" >"$tmp/install.log"
libdir=$(dirname "$(find "$tmp/usr" -name weft.pc)")
export PKG_CONFIG_PATH=$libdir

cat >"$tmp/who.c" <<'PROGRAM'
#include <stdio.h>
#include <weft/weft.h>

int main(void)
{
    struct weft_client *c;
    struct weft_problem p;
    struct weft_options nowhere = { .dir = "/nowhere", .flags = WEFT_REMOTE_ONLY };
    enum weft_err err = weft_connect(&nowhere, &c, &p);

    puts(weft_err_name(err));
    return err == WEFT_E_IDENTITY ? 0 : 1;
}
PROGRAM

say() { printf '%s\n' "$*"; }
run() { # what, program
    [ "$(LD_LIBRARY_PATH=$libdir/.. ASAN_OPTIONS=detect_leaks=0 "$2")" = IDENTITY ] || { say "$1: the program does not work"; exit 1; }
    say "$1: works"
}

# shellcheck disable=SC2046,SC2086  # word splitting is what pkg-config is for
cc $flags -o "$tmp/shared" "$tmp/who.c" $(pkg-config --define-variable=prefix="$tmp/usr" --cflags --libs weft)
run "pkg-config, shared" "$tmp/shared"
readelf -d "$tmp/shared" | grep -q 'NEEDED.*libweft\.so\.0' || { say "the program does not name libweft.so.0"; exit 1; }

# shellcheck disable=SC2046,SC2086
cc $flags -o "$tmp/static" "$tmp/who.c" -Wl,-Bstatic,--whole-archive \
    $(pkg-config --define-variable=prefix="$tmp/usr" --cflags --libs-only-L weft) -lweft -Wl,-Bdynamic,--no-whole-archive \
    $(pkg-config --define-variable=prefix="$tmp/usr" --static --libs weft | sed 's/-lweft//')
run "pkg-config, static" "$tmp/static"
if readelf -d "$tmp/static" | grep -q 'NEEDED.*libweft'; then
    say "the static program needs libweft.so"
    exit 1
fi

# Each header stands alone, and all that is exported is a C function to C++ as well. The compiler is clang's, the linker's driver C's.
for header in weft err conf; do
    printf '#include <weft/%s.h>\n' $header >"$tmp/alone.c"
    cc -std=c11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$tmp/usr/include" "$tmp/alone.c"
    clang++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$tmp/usr/include" -x c++ "$tmp/alone.c"
done
sed -n 's/^weft_.*/    reinterpret_cast<void *>(\&&),/p' "$source/sdk/exports.txt" >"$tmp/exported.inc"
cat >"$tmp/who.cpp" <<'PROGRAM'
#include <weft/conf.h>

static void *const exported[] = {
#include "exported.inc"
};

extern "C" int puts(const char *);

int main()
{
    weft_client *c = nullptr;
    weft_problem p = {};
    weft_options nowhere = {};

    nowhere.dir = "/nowhere";
    nowhere.flags = WEFT_REMOTE_ONLY;
    for (void *function : exported)
        if (!function)
            return 1;
    weft_err err = weft_connect(&nowhere, &c, &p);
    puts(weft_err_name(err));
    return err == WEFT_E_IDENTITY ? 0 : 1;
}
PROGRAM
clang++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fno-exceptions -fPIE -I"$tmp/usr/include" -c -o "$tmp/who.o" "$tmp/who.cpp"
# shellcheck disable=SC2046,SC2086
cc $flags -o "$tmp/cpp" "$tmp/who.o" $(pkg-config --define-variable=prefix="$tmp/usr" --libs weft)
run "C++, $(wc -l <"$tmp/exported.inc") functions" "$tmp/cpp"

mkdir "$tmp/cmake"
cat >"$tmp/cmake/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.25)
project(who C)
find_package(weft 0.1 REQUIRED COMPONENTS static)
foreach(kind weft static)
    add_executable(who_${kind} ../who.c)
    target_link_libraries(who_${kind} PRIVATE weft::${kind})
endforeach()
PROJECT
cmake -G Ninja -S "$tmp/cmake" -B "$tmp/cmake/build" -DCMAKE_PREFIX_PATH="$tmp/usr" -DCMAKE_C_FLAGS="$flags" >"$tmp/cmake.log" ||
    { cat "$tmp/cmake.log"; exit 1; }
cmake --build "$tmp/cmake/build" >"$tmp/cmake.log" || { cat "$tmp/cmake.log"; exit 1; }
run "CMake, shared" "$tmp/cmake/build/who_weft"
run "CMake, static" "$tmp/cmake/build/who_static"

# The examples build as examples/README.md says, from the installed files alone, and find no identity where there is none.
mkdir "$tmp/examples" "$tmp/nobody"
cp "$source"/examples/*.[ch] "$source/examples/README.md" "$tmp/examples"
mapfile -t lines < <(awk '/^```/ { inside = /^```sh build$/; next } inside' "$tmp/examples/README.md")
[ "${#lines[@]}" -eq 6 ] || { say "examples/README.md has ${#lines[@]} lines that build, wanted 6"; exit 1; }
# The system's pkg-config would find the prefix in weft.pc itself.
sed -i "s|^prefix=.*|prefix=$tmp/usr|" "$libdir/weft.pc"
for line in "${lines[@]}"; do
    (cd "$tmp/examples" && CC="cc $flags" bash -c "${line/#cc /\$CC }") || { say "does not build: $line"; exit 1; }
done
for example in "$source"/examples/{call,discover,publish,query,serve,subscribe}.c; do
    name=$(basename "$example" .c) arguments=(x x)
    case $name in publish | serve) arguments=(x) ;; discover) arguments=() ;; call) arguments=(a/b/C '{}') ;; subscribe) arguments=(a/b "$tmp/x.db") ;; esac
    status=0
    WEFT_DIR="$tmp/nobody" LD_LIBRARY_PATH=$libdir/.. "$tmp/examples/$name" "${arguments[@]}" 2>"$tmp/err" || status=$?
    if [ $status -ne 78 ] || ! grep -q "^$name: " "$tmp/err"; then
        say "$name: status $status: $(cat "$tmp/err")"
        exit 1
    fi
done
say "examples: six built with pkg-config"

# Where shells look for what completes the words of a program.
for file in bash-completion/completions/weft zsh/site-functions/_weft fish/vendor_completions.d/weft.fish; do
    grep -q "weft completion words" "$tmp/usr/share/$file" || { say "no completion in share/$file"; exit 1; }
done

# Nothing but <weft/*.h> is promised, so nothing else is installed as a header.
extra=$(find "$tmp/usr/include" -type f ! -path '*/include/weft/weft.h' ! -path '*/include/weft/err.h' ! -path '*/include/weft/conf.h')
[ -z "$extra" ] || { say "installed headers that are no promise: $extra"; exit 1; }
say "installed from $source"
