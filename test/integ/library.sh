#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make install` leaves: does a program build against it, shared and static, and is nothing shown but the API?
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
[ -d src/client ] || { echo "1..0 # skip there is no client library yet"; exit 0; }
passed=0 failed=0
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

check() { # check NAME COMMAND...
    if "${@:2}" >"$stage/log" 2>&1; then
        passed=$((passed + 1)); echo "ok $1"
    else
        failed=$((failed + 1)); echo "FAIL $1"; tail -20 "$stage/log"
    fi
}

only_the_api() {
    local others
    others=$(nm -D --defined-only "$lib/libcallflow.so" | awk '{ print $3 }' | grep -v '^callflow_')
    [ -z "$others" ] || { echo "$others"; return 1; }
    nm -D --defined-only "$lib/libcallflow.so" | grep -q ' callflow_'
}

build_with() { # build_with FLAG...
    # shellcheck disable=SC2046 # pkg-config gives words
    gcc -o "$stage/program" "$stage/program.c" $(pkg-config --define-variable=prefix="$stage/usr/local" --cflags callflow) \
        "$@" && LD_LIBRARY_PATH=$lib "$stage/program"
}

check "install" env DESTDIR="$stage" meson install --no-rebuild -C build
pc=$(find "$stage" -name callflow.pc | head -1)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*}
header=$(cd "$stage/usr/local/include" && find callflow -name '*.h' | head -1)
printf '#include <%s>\nint main(void) { return 0; }\n' "$header" >"$stage/program.c"
check "a program builds with pkg-config" build_with -L"$lib" -lcallflow
check "a program builds with the static library" build_with "$lib/libcallflow.a"
check "only callflow_ symbols are shown" only_the_api
check "callflow is installed" test -x "$stage/usr/local/bin/callflow"
check "callflowd is installed" test -x "$stage/usr/local/bin/callflowd"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
