// The Android releases that there is a likeness of. To add one: its list of system calls in releases/, and a row here.

// What the app domain may not open in /proc and /sys on every release: EACCES (the platform's policy, app_neverallows.te, and the labels
// of sysfs). Other users' processes, and /dev/shm, are not there at all.
const hidden = [
  '/proc/vmstat',
  '/proc/pressure',
  '/proc/stat',
  '/proc/loadavg',
  '/proc/uptime',
  '/proc/version',
  '/proc/swaps',
  '/proc/slabinfo',
  '/proc/pagetypeinfo',
  '/proc/vmallocinfo',
  '/proc/kmsg',
  '/sys/fs',
  '/sys/kernel',
  '/sys/block',
];

// Before Android 11 every app's processes were in the groups of a memory controller of version 1; since then in a group of their own of version 2.
const groupsV1 = '3:cpuset:/top-app\\n2:cpu:/\\n1:cpuacct:/uid_10123/pid_%d';
const groupsV2 = '2:cpuset:/top-app\\n1:cpu:/\\n0::/uid_10123/pid_%d';

/**
 * `calls`: the file in releases/. `device`: what /dev/ashmem is, 'absent' (ENOENT) or 'denied' (EACCES, as to an app that targets SDK 29
 * or later). Termux targets 28 and may open the device where there is one; the absent one is what a kernel without the driver has.
 */
export const releases = [
  { name: '8', calls: 'android-8.0.txt', device: 'absent', cgroup: groupsV1, hidden },
  { name: '10', calls: 'android-10.txt', device: 'denied', cgroup: groupsV1, hidden },
  { name: '12', calls: 'android-12.txt', device: 'absent', cgroup: groupsV2, hidden },
  { name: '14', calls: 'android-14.txt', device: 'denied', cgroup: groupsV2, hidden },
  { name: '15', calls: 'android-15.txt', device: 'denied', cgroup: groupsV2, hidden },
];
