# Runs in the test machine, as the last thing that its boot starts: each test by itself, so that one
# that hangs or dies takes no other with it. What the host reads goes to the second serial line.
here=/usr/share/deskway-tests
exec < /dev/null > /dev/ttyS1 2>&1
for module in zsmalloc lzo-rle lzo zram; do
    insmod "$here/$module.ko"
done
echo 1G > /sys/block/zram0/disksize
mkswap --quiet /dev/zram0
swapon /dev/zram0
echo "# the machine runs after $(cut -d. -f1 /proc/uptime) s"
while read -r name; do
    since=$(date +%s)
    if timeout --kill-after=5 400 "$here/tests" --exact "$name" --nocapture \
        > /run/said 2>&1 < /dev/null; then
        echo "ok $name ($(($(date +%s) - since)) s)"
    else
        echo "not ok $name ($(($(date +%s) - since)) s)"
        sed 's/^/# /' /run/said
        journalctl --no-pager --since "@$since" | tail -n 60 | sed 's/^/# /'
    fi
done < "$here/names"
echo end
# The host ends the machine.
sleep infinity
