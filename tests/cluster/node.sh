#!/bin/bash
#
# A node of the cluster, as the first process of its namespaces: what it says, where it keeps its state, Corosync and Pacemaker are its
# own, the programs and the folder of the lab are the host's. It ends when its standard input does, and all of it ends with it.
#
# Each line of its standard input is a command. Whoever is left without a parent is waited for, as by any init.

set -u
node=$1 id=$2 lab=$3

hostname "$node"
for own in /run /dev/shm /var/log /var/lib/pacemaker /var/lib/corosync /etc/corosync /usr/lib/ocf/resource.d; do
    mkdir -p "$own"
    mount -t tmpfs -o mode=755 own "$own"
done
chmod 1777 /dev/shm
install -d -o hacluster -g haclient -m 750 /run/crm /var/lib/pacemaker/{,blackbox,cib,cores,pengine}
install -d -o hacluster -g haclient -m 770 /var/log/pacemaker
install -d /run/lock /var/log/corosync /usr/lib/ocf/resource.d/vmrun
install "$lab/agent" /usr/lib/ocf/resource.d/vmrun/vmrun
install -o hacluster -g haclient -m 600 "$lab/cib.xml" /var/lib/pacemaker/cib/cib.xml
install "$lab/corosync.conf" /etc/corosync/corosync.conf

# Pacemaker looks for fencing agents in this folder alone.
mkdir -p /run/programs/{own,work}
mount -t overlay -o lowerdir=/usr/sbin,upperdir=/run/programs/own,workdir=/run/programs/work programs /usr/sbin
install "$lab/fence_lab" /usr/sbin/fence_lab

# The program is the node's own, so that another one can take its place here.
install -d /run/bin
install "$lab/vmrun" /run/bin/vmrun
export PATH=/run/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8 VMRUN_PLATFORM=linux LAB=$lab

ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "10.24.0.$id/24" dev eth0
ip link set eth0 up

corosync -f >/var/log/corosync/out 2>&1 &
until corosync-cfgtool -s >/dev/null 2>&1; do sleep 0.05; done
pacemakerd >/var/log/pacemaker/out 2>&1 &
echo ready

while read -r line; do
    eval "$line"
done
