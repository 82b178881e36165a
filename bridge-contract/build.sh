#!/usr/bin/env bash
# Builds the bridge contract's Wasm.
#
#   build.sh                build into res/
#   build.sh --check        lint what only Wasm compiles, rebuild into target/contract/ and compare
#                           with res/
#   build.sh --source-hash  print the hash of everything that determines the Wasm
#
# Two routes to a compiler for wasm32-unknown-unknown:
#   rustup  the target of the active toolchain, added if rustup can fetch it
#   debian  the packages of Debian's rustc-web, unpacked (not installed) below target/, which build
#           the standard library from source with the active toolchain's cargo and rust-lld
# BRIDGE_WASM_ROUTE=rustup|debian forces one. wasm-opt comes from the PATH, else from Debian's
# binaryen, unpacked likewise.
#
# The source hash is SHA-256 over sorted lines "<sha256>  <path>" of the manifests and sources of
# bridge-contract and queue and of this script, then the locked dependencies with their features,
# then [profile.contract]. Cargo.lock as a whole is left out: it changes with crates that the
# contract doesn't see.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=$root/target
toolchain=$target_dir/wasm-toolchain
scratch=$target_dir/contract
built=$scratch/bridge_contract.wasm
res=$root/bridge-contract/res
triple=wasm32-unknown-unknown
cd "$root"

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

source_hash() {
    local dependencies
    dependencies=$(cargo tree --locked --quiet -p bridge-contract --target "$triple" -e normal,build \
        --prefix none --no-dedupe --format '{p} {f}' | sed "s| ($root[^)]*)||" | sort -u)
    {
        find bridge-contract/Cargo.toml bridge-contract/build.sh bridge-contract/src \
            queue/Cargo.toml queue/src -type f -print0 | sort -z | xargs -0 sha256sum
        echo "$dependencies"
        sed -n '/^\[profile\.contract\]/,/^\[/p' Cargo.toml | grep '='
    } | sha256sum | cut -d ' ' -f 1
}

# apt needs root only to refresh its lists; without them the download names what is missing.
refresh_package_lists() {
    [ "$(id -u)" -ne 0 ] || apt-get update -qq >&2
}

# unpack <folder> <package>...: downloads Debian packages and unpacks them below <folder>.
unpack() {
    local folder=$1 partial=$1.partial archive
    shift
    rm -rf "$partial" && mkdir -p "$partial/archives"
    (cd "$partial/archives" && apt-get download -qq "$@" >&2) || fail "can't download: $*"
    for archive in "$partial"/archives/*.deb; do
        dpkg -x "$archive" "$partial"
    done
    rm -rf "$partial/archives" "$folder"
    mv "$partial" "$folder"
}

# The first package that <package> depends on whose name matches <pattern>.
dependency_of() {
    local name
    name=$(apt-cache depends "$1" | awk -v pattern="$2" '/Depends:/ && $2 ~ pattern && !n++ { print $2 }')
    [ -n "$name" ] ||
        fail "package $1 depends on nothing like $2: is this Debian 12 with its security updates?"
    echo "$name"
}

use_rustup() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$triple" ||
        timeout 120 rustup target add "$triple" >/dev/null 2>&1 || return 1
    route=rustup
    compiler=$(rustc --version)
    std_source=$(rustc --print sysroot)
    cargo_flags=()
}

use_debian() {
    local rust=$toolchain/rust lld host
    if [ ! -x "$rust/usr/bin/rustc" ]; then
        refresh_package_lists
        local std llvm
        std=$(dependency_of libstd-rust-web-dev '^libstd-rust-web-[0-9]')
        llvm=$(dependency_of "$std" '^libllvm[0-9]')
        unpack "$rust" rustc-web "$std" libstd-rust-web-dev rust-web-src "$llvm"
    fi
    host=$(rustc -vV | sed -n 's/^host: //p')
    lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
    [ -x "$lld" ] || fail "the active toolchain has no rust-lld at $lld"

    export LD_LIBRARY_PATH
    LD_LIBRARY_PATH=$(find "$rust/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
    export RUSTC_BOOTSTRAP=1 RUSTC=$rust/usr/bin/rustc
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$lld
    route=debian
    compiler=$("$RUSTC" --version) ||
        fail "Debian's rustc does not run: $(ldd "$RUSTC" | grep 'not found' || true)"
    std_source=$rust
    cargo_flags=(-Zbuild-std=std,panic_abort)
}

find_compiler() {
    case ${BRIDGE_WASM_ROUTE:-any} in
    rustup) use_rustup || fail "rustup can't provide the target $triple" ;;
    debian) use_debian ;;
    any) use_rustup || use_debian ;;
    *) fail "BRIDGE_WASM_ROUTE is '$BRIDGE_WASM_ROUTE', expected rustup or debian" ;;
    esac
}

find_wasm_opt() {
    local binaryen=$toolchain/binaryen
    if command -v wasm-opt >/dev/null; then
        wasm_opt=(wasm-opt)
    else
        if [ ! -x "$binaryen/usr/bin/wasm-opt" ]; then
            refresh_package_lists
            unpack "$binaryen" binaryen
        fi
        local libraries
        libraries=$(find "$binaryen/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
        wasm_opt=(env "LD_LIBRARY_PATH=$libraries" "$binaryen/usr/bin/wasm-opt")
    fi
    wasm_opt_version=$("${wasm_opt[@]}" --version)
}

# What contract_source_metadata answers of NEP-330's build info: near-sdk's macro reads it from the
# environment. No commit can name itself, so that the snapshot is the source hash.
describe_build() {
    export NEP330_BUILD_INFO_BUILD_ENVIRONMENT="$compiler, $wasm_opt_version"
    export NEP330_BUILD_INFO_BUILD_COMMAND='["bash","bridge-contract/build.sh"]'
    export NEP330_BUILD_INFO_CONTRACT_PATH=bridge-contract
    NEP330_BUILD_INFO_SOURCE_CODE_SNAPSHOT=sha256:$(source_hash)
    export NEP330_BUILD_INFO_SOURCE_CODE_SNAPSHOT
}

# Machine paths must not reach the Wasm: panic messages carry the path of the source file. Host
# functions are undefined symbols, which rustc's linker refuses by default from 1.96 on.
build() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    local flags=(
        "--remap-path-prefix=$root=/bridge"
        "--remap-path-prefix=$cargo_home=/cargo"
        "--remap-path-prefix=$std_source=/rust"
        -Clink-arg=--allow-undefined
    )
    # Nor may the name under which cargo keeps a registry, which is there once crates are fetched.
    cargo fetch --quiet --locked --target "$triple"
    local registry
    for registry in "$cargo_home"/registry/src/*/; do
        flags+=("--remap-path-prefix=${registry%/}=/cargo")
    done
    export CARGO_ENCODED_RUSTFLAGS
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
    mkdir -p "$scratch"
    describe_build
    # Cargo doesn't know that a macro has read the environment.
    CARGO_TARGET_DIR=$target_dir/contract-build cargo clean --locked --quiet -p bridge-contract \
        --profile contract --target "$triple"
    CARGO_TARGET_DIR=$target_dir/contract-build cargo build --locked -p bridge-contract --lib \
        --profile contract --target "$triple" "${cargo_flags[@]}"
    # Values are read and written by functions that differ by their constants. What is called often gets
    # a low index, which is shorter.
    "${wasm_opt[@]}" --strip-debug --strip-producers --strip-target-features \
        --merge-similar-functions --flatten --rereloop -Oz -Oz --reorder-functions \
        --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int \
        --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$target_dir/contract-build/$triple/contract/bridge_contract.wasm" -o "$built"
    if grep -qaF -e "$root" -e "$cargo_home" "$built"; then
        fail "the Wasm contains a path of this machine"
    fi
}

# The workspace's clippy doesn't see the code that only Wasm compiles. Debian's route has no clippy.
lint() {
    [ "$route" = rustup ] || return 0
    CARGO_TARGET_DIR=$target_dir/contract-build cargo clippy --locked --quiet -p bridge-contract --lib \
        --no-deps --target "$triple" -- -D warnings
}

describe() {
    cat <<JSON
{
  "source_sha256": "$1",
  "compiler": "$compiler",
  "route": "$route",
  "wasm_opt": "$wasm_opt_version",
  "wasm_sha256": "$(sha256sum "$built" | cut -d ' ' -f 1)",
  "wasm_bytes": $(stat -c %s "$built")
}
JSON
}

recorded() {
    sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$res/bridge_contract.json"
}

check() {
    local found expected
    found=$(source_hash)
    expected=$(recorded source_sha256)
    [ "$found" = "$expected" ] ||
        fail "the sources have hash $found, res/ was built from $expected: run bridge-contract/build.sh"
    found=$(sha256sum "$res/bridge_contract.wasm" | cut -d ' ' -f 1)
    expected=$(recorded wasm_sha256)
    [ "$found" = "$expected" ] || fail "res/bridge_contract.wasm has hash $found, recorded is $expected"

    find_compiler
    find_wasm_opt
    build
    lint
    if [ "$compiler|$route|$wasm_opt_version" = "$(recorded compiler)|$(recorded route)|$(recorded wasm_opt)" ]; then
        cmp "$built" "$res/bridge_contract.wasm" || fail "same compiler, other bytes: $built"
        echo "the rebuilt Wasm equals res/bridge_contract.wasm"
    else
        echo "built by $compiler ($route, $wasm_opt_version), recorded $(recorded compiler)" \
            "($(recorded route), $(recorded wasm_opt)): bytes not compared"
    fi
}

case ${1:-} in
"")
    hash=$(source_hash)
    find_compiler
    find_wasm_opt
    build
    mkdir -p "$res"
    cp "$built" "$res/bridge_contract.wasm"
    describe "$hash" >"$res/bridge_contract.json"
    cat "$res/bridge_contract.json"
    ;;
--check) check ;;
--source-hash) source_hash ;;
*) fail "unknown option '$1', expected --check or --source-hash" ;;
esac
