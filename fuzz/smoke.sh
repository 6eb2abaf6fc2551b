#!/usr/bin/env bash
# Builds every fuzz target and runs each for a few seconds: fuzz/smoke.sh [SECONDS], 10 if not given.
# Needs cargo and a C++ compiler (libFuzzer is C++), on the stable toolchain; no cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-10}
host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${FUZZ_TARGET_DIR:-${CARGO_TARGET_DIR:-target}/fuzz-smoke}

# Coverage feedback for libFuzzer. All of it is stable; only the address sanitizer is not, and this code has no unsafe.
flags=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ccodegen-units=1
    --cfg=fuzzing
)

# With --target the flags are not used for build scripts, which would not link with them.
RUSTFLAGS="${flags[*]}" cargo build --quiet --locked --release --bins --target "$host" --target-dir "$target_dir"

for source in fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    mkdir -p "corpus/$name" "artifacts/$name"
    log=$(mktemp)
    if "$target_dir/$host/release/$name" "corpus/$name" -dict=mqtt.dict -max_len=512 -timeout=10 \
        -max_total_time="$seconds" -artifact_prefix="artifacts/$name/" -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        coverage=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)
        echo "$name: $runs runs in $seconds s, $coverage, nothing found"
        rm -f "$log"
    else
        tail -n 60 "$log"
        echo "$name: FOUND SOMETHING, the input is in fuzz/artifacts/$name" >&2
        exit 1
    fi
done
