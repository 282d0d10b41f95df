# shellcheck shell=bash
# Finds what a build needs, installs what is missing and says how to do it by hand.
# Sourced by run.sh and test.sh; does nothing by itself.
#
# Installed without asking: Debian packages where we are root or have sudo, and cargo's
# own subcommands. Elsewhere the commands are printed and the caller stops.

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
stop() { printf '%s\n' "$@" >&2; exit 1; }

need_cargo() {
    command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || stop \
        "Rust is missing. Install it from https://rustup.rs and call this again:" \
        "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}

# EMBEDDED=no leaves the embedded model out, and with it the C++ build.
with_embedded() { [ "${EMBEDDED:-yes}" != no ]; }

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return
    # Not libclang-cpp, which is another library and often there alone.
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null && return
    compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null && return
    compgen -G '/usr/lib*/libclang.so*' >/dev/null && return
    ldconfig -p 2>/dev/null | grep -q 'libclang\.so' && return
    [ "$(uname)" = Darwin ] && xcode-select -p >/dev/null 2>&1
}

# What the C and C++ parts of the tree (SQLite, ring, llama.cpp) are built with.
need_packages() {
    local missing=()
    command -v cc >/dev/null || missing+=(gcc)
    command -v make >/dev/null || missing+=(make)
    if with_embedded; then
        command -v c++ >/dev/null || missing+=(g++)
        command -v cmake >/dev/null || missing+=(cmake)
        has_libclang || missing+=(libclang-dev)
    fi
    [ ${#missing[@]} -eq 0 ] && return

    echo "Missing for the build: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && as_root=(sudo)
        # Without a terminal nobody can type a password.
        [ -t 0 ] || as_root+=(-n)
    fi
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || [ "${as_root[0]:-}" = sudo ]; }; then
        echo "Installing: ${as_root[*]}${as_root:+ }apt-get install ${missing[*]}"
        if { "${as_root[@]}" apt-get update -qq \
            && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2; then
            return
        fi
        echo "That did not work."
    fi
    stop "They cannot be installed from here. By hand:" \
        "  Debian, Ubuntu   sudo apt-get install g++ make cmake libclang-dev" \
        "  Fedora           sudo dnf install gcc-c++ make cmake clang-devel" \
        "  Arch             sudo pacman -S base-devel cmake clang" \
        "  macOS            xcode-select --install; brew install cmake" \
        "C++, cmake and libclang serve the embedded model alone: EMBEDDED=no builds without it."
}

# One of cargo's subcommands, by the version we know to work.
need_tool() {
    local tool=$1 version=$2
    command -v "$tool" >/dev/null && return
    echo "Installing $tool $version with cargo, into ${CARGO_HOME:-~/.cargo}/bin (one to four minutes, once)"
    # Its build goes elsewhere, so that our own RUSTFLAGS and target folder stay untouched.
    env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo install --quiet --locked "$tool" --version "$version"
}
