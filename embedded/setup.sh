#!/usr/bin/env bash
# Lays a private bare-metal toolchain into ${PUSHLANE_EMBEDDED:-~/.cache/pushlane-embedded}: a
# compiler with the sources of its core library, and QEMU. Needs Debian (or a system with its
# packages), rustup's cargo and no rights: packages are unpacked there, nothing is installed. Does
# nothing when it is complete already.
#
#     embedded/setup.sh           then    . ~/.cache/pushlane-embedded/env.sh
set -euo pipefail

home=${PUSHLANE_EMBEDDED:-${XDG_CACHE_HOME:-$HOME/.cache}/pushlane-embedded}

# What is known to work. Debian keeps only the newest build of a release, so a pin that has gone
# gives way to what there is now, with a warning.
pins=(
    rustc-web=1.96.0+dfsg1-1~deb12u2
    rust-web-src=1.96.0+dfsg1-1~deb12u2
    qemu-system-arm=1:7.2+dfsg-7+deb12u18+b3
    qemu-system-misc=1:7.2+dfsg-7+deb12u18+b3 # its riscv32 is among the others
)

# rustup's linker serves every target. Found through the compiler at hand, not through ours, which
# would be in front where env.sh has been sourced.
PATH=${PATH//"$home/bin:"/}
unset RUSTC
host=$(rustc -vV | sed -n 's/^host: //p')
linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld

# Changes with this script and with the place of the linker: then everything is unpacked again.
stamp="$(cksum <"${BASH_SOURCE[0]}") $linker"
is_complete() { [[ -f $home/complete && $(<"$home/complete") == "$stamp" ]]; }
is_complete && exit

die() {
    echo "setup: $*" >&2
    exit 1
}
for tool in apt-get apt-cache dpkg-deb flock; do
    command -v "$tool" >/dev/null || die "$tool is missing: README.md says how to do without this script"
done
[[ -x $linker ]] || die "$linker is missing: install rustup's toolchain"

mkdir -p "$home"
exec 9>"$home/lock"
flock 9 # two at once would unpack over one another
is_complete && exit
began=$SECONDS
work=$home/work
rm -rf "$home/complete" "$home/root" "$home/bin" "$work"
mkdir -p "$home/bin" "$work"/{lists/partial,archives/partial,debs}

# apt's own state stays untouched: lists and archives live in the work folder.
apt_options=(-qq -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/archives" -o "APT::Sandbox::User=$(id -un)"
    -o Acquire::Languages=none)
apt-get "${apt_options[@]}" update || die "the package lists could not be read"

wanted=()
for pin in "${pins[@]}"; do
    name=${pin%%=*}
    if apt-cache "${apt_options[@]}" show "$pin" >/dev/null 2>&1; then
        wanted+=("$pin")
    elif apt-cache "${apt_options[@]}" show "$name" >/dev/null 2>&1; then
        echo "setup: $pin has gone, taking the $name there is" >&2
        wanted+=("$name")
    else
        die "this system's archive has no $name: README.md says how to do without this script"
    fi
done

# What they need beyond what is installed, in the versions that fit.
mapfile -t packages < <(apt-get "${apt_options[@]}" install --simulate --no-install-recommends "${wanted[@]}" |
    sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p')
((${#packages[@]})) || packages=("${wanted[@]}") # all installed system-wide already
(cd "$work/debs" && apt-get "${apt_options[@]}" download "${packages[@]}") || die "the packages could not be fetched"
size=$(du -sm "$work/debs" | cut -f1)
for deb in "$work/debs"/*.deb; do
    dpkg-deb -x "$deb" "$home/root"
done
rm -rf "$work" "$home"/root/usr/src/rustc-*/{compiler,tests} "$home"/root/usr/share/{doc,man,locale}

mkdir -p "$home/root/usr/lib/rustlib/$host/bin"
ln -sf "$linker" "$home/root/usr/lib/rustlib/$host/bin/"
for program in rustc rustdoc qemu-system-arm qemu-system-riscv32; do
    [[ -x $home/root/usr/bin/$program ]] || die "the packages hold no $program"
    cat >"$home/bin/$program" <<WRAPPER
#!/bin/sh
root=$home/root
LD_LIBRARY_PATH=\$root/usr/lib/x86_64-linux-gnu:\$root/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} \\
    exec "\$root/usr/bin/$program" "\$@"
WRAPPER
    chmod +x "$home/bin/$program"
done

# The sources come with the compiler, so their unstable build is of one piece with it.
cat >"$home/env.sh" <<ENV
export PATH=$home/bin:\$PATH
export RUSTC=$home/bin/rustc RUSTDOC=$home/bin/rustdoc RUSTC_BOOTSTRAP=1
export CARGO_UNSTABLE_BUILD_STD=core,alloc
ENV

"$home/bin/rustc" -V
"$home/bin/qemu-system-arm" --version | head -n 1
"$home/bin/qemu-system-riscv32" --version | head -n 1
echo "$stamp" >"$home/complete"
echo "setup: $size MB of packages in $((SECONDS - began)) s, $(du -sm "$home" | cut -f1) MB in $home"
