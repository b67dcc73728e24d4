/* SPDX-License-Identifier: Apache-2.0 */
/* What load generators share: sockets, a server of another process as the kernel sees it, and
 * giving up. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		errno ? strerror(errno) : "failed");
	exit(1);
}

/** CPU time of all its threads, of those that ended too. */
static inline double server_cpu_us(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		die("the server's clock");
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/** Bytes of resident memory. */
static inline long server_rss(pid_t pid)
{
	long pages = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*s %ld", &pages) != 1)
		die(path);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
/** A socket bound to from, which gets its port. Datagrams have room to wait. */
static inline int open_socket(int type, struct cf_addr *from)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(from, &sa);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), size = 4 << 20, on = 1;

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM) {
		setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	} else {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	}
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 ||
		getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
		cf_addr_from_sockaddr(from, (struct sockaddr *)&sa) < 0)
		die("bind");
	return fd;
}

#endif
