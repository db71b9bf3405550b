# Makes `kernel` and `root.cpio` in the working directory, out of what this machine's apt knows.
# $1: the packages to install, $2: the package that depends on the kernel.
set -eu
packages=$1
here=$(pwd)
. /etc/os-release

# The same sources of Debian's and ways to reach them as this machine's: others have nothing that is
# wanted here, and may not be there.
sources=$(grep -ls "$VERSION_CODENAME" \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources |
    xargs -r grep -lE 'debian(-security)?/?( |$)|deb\.debian\.org' || true)
apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' > apt.conf

# The kernel alone is taken out of its package: installing it would make an initrd of its own. What
# draws in three dimensions is left out, as are texts for people: all of it would be in memory.
cat > kernel.sh << 'END'
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get --quiet download "$(apt-cache depends --important "$1" | sed -n 's/.*Depends: //p')"
END
# The folder may be one that only root can enter: apt needs no other user here.
echo 'APT::Sandbox::User "root";' >> apt.conf
# shellcheck disable=SC2086
mmdebstrap --mode=root --variant=essential --quiet --include="$packages" \
    --aptopt="$here/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/lib/*/dri/*' \
    --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
    --dpkgopt='path-exclude=/usr/lib/*/libz3*' \
    --customize-hook="cd '$here' && sh kernel.sh $2" \
    "$VERSION_CODENAME" root $sources

rm -r root/etc/apt root/var/cache/* root/var/lib/apt
dpkg-deb --extract linux-image-*.deb unpacked
mv unpacked/boot/vmlinuz-* kernel
# Modules for swap in compressed memory, so that there is somewhere to put what is not used.
mkdir -p root/usr/share/deskway-tests
find unpacked -name 'zsmalloc.ko' -o -name 'lzo.ko' -o -name 'lzo-rle.ko' -o -name 'zram.ko' |
    xargs -I '{}' cp '{}' root/usr/share/deskway-tests
(cd root && find . -mount -print0 | cpio --null --quiet -o -H newc) > root.cpio
rm -r root unpacked linux-image-*.deb apt.conf kernel.sh
