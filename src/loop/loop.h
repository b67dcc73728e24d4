/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: file descriptors (epoll), timers, deferred calls and a mailbox for other threads.
 * Every thread of Callflow runs one: the control loop of the daemon, its data workers, the client
 * library. An object lives on one loop for life; other threads reach it by cf_loop_post() only.
 *
 * All functions belong to the loop's own thread, except cf_loop_post(), cf_loop_post_wait() and
 * cf_loop_stop(). Callbacks run one at a time and may add, change and remove any watcher or timer,
 * themselves included.
 */
#ifndef CF_LOOP_LOOP_H
#define CF_LOOP_LOOP_H

#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_loop;

/* Most messages that may wait in one mailbox. */
#define CF_LOOP_MAILBOX_MAX 65536

enum { CF_IO_READ = 1, CF_IO_WRITE = 2, CF_IO_ERROR = 4, CF_IO_EDGE = 8, CF_IO_HANGUP = 16 };

struct cf_io;
/** events: CF_IO_* that are ready. CF_IO_ERROR comes without being asked for; CF_IO_HANGUP, the end
 * of what the other side sends, together with CF_IO_READ. A watcher with CF_IO_EDGE is told of news
 * only: it reads all there is, or asks with cf_io_again(). */
typedef void cf_io_fn(struct cf_io *io, unsigned events, void *arg);

/* A watched descriptor, embedded in the caller's object. Zeroed before the first use. */
struct cf_io {
	struct cf_loop *loop; /* NULL while not watched */
	int fd;
	unsigned events;
	cf_io_fn *fn;
	void *arg;
};

struct cf_timer;
typedef void cf_timer_fn(struct cf_timer *timer, void *arg);

/* A one-shot timer, embedded in the caller's object. Zeroed before the first use. */
struct cf_timer {
	struct cf_loop *loop;
	uint64_t due_us;
	size_t slot; /* 1 + position in the heap, 0 while not set */
	cf_timer_fn *fn;
	void *arg;
};

/* Work for the end of this turn of the loop, embedded in the caller's object; zeroed at first. */
struct cf_defer {
	struct cf_list link;
	void (*fn)(void *arg);
	void *arg;
};

/** A loop, or NULL. Owned by the caller; it may be run on a thread other than the maker's. */
CF_MUST_CHECK struct cf_loop *cf_loop_new(void);

/** Frees the loop and drops what is left in its mailbox (running posts' `drop` functions). All
 * watchers must be gone, timers need not. */
struct cf_loop *cf_loop_free(struct cf_loop *loop);

/** Runs until cf_loop_stop(). 0 or an error of epoll. */
int cf_loop_run(struct cf_loop *loop);

/** One turn: waits at most timeout_ms (-1: until something happens), handles what is ready. */
int cf_loop_run_once(struct cf_loop *loop, int timeout_ms);

/** Makes cf_loop_run() return after the current turn. Any thread. */
void cf_loop_stop(struct cf_loop *loop);

/** Time at the start of this turn, microseconds, monotonic. */
uint64_t cf_loop_now_us(const struct cf_loop *loop);

/** How long the loop has waited for something to do, all together: the rest of the time it had. Its
 * own thread. */
uint64_t cf_loop_idle_us(const struct cf_loop *loop);

/** Reads the clock anew, after long work inside one callback. */
uint64_t cf_loop_update_now(struct cf_loop *loop);

/** While many events come, look for them once in tick_us instead of at each one (loop/pace.h); 0,
 * as at first: never wait. Timers keep their time. Messages of other threads wait as events do. */
void cf_loop_set_tick(struct cf_loop *loop, uint64_t tick_us);

/** Whether the calling thread is the one that runs the loop. Any thread. */
bool cf_loop_is_current(const struct cf_loop *loop);

/** Watches fd (not owned) for events; keeps a reference to io until cf_io_stop(). */
CF_MUST_CHECK int cf_io_start(
	struct cf_io *io, struct cf_loop *loop, int fd, unsigned events, cf_io_fn *fn, void *arg);

/** Changes what is watched for; 0 events still reports errors. */
CF_MUST_CHECK int cf_io_set(struct cf_io *io, unsigned events);

/** For CF_IO_EDGE: what was left unread is told of again in the next turn. */
void cf_io_again(struct cf_io *io);

/** Stops watching; io may be freed at once. Does nothing when it is not watched. */
void cf_io_stop(struct cf_io *io);

/** Sets or moves the timer to a point in time; CF_TIME_NEVER stops it. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_timer_set(
	struct cf_timer *timer, struct cf_loop *loop, uint64_t due_us, cf_timer_fn *fn, void *arg);

/** As cf_timer_set(), in delay_us from the start of this turn. */
CF_MUST_CHECK int cf_timer_after(struct cf_timer *timer, struct cf_loop *loop, uint64_t delay_us,
	cf_timer_fn *fn, void *arg);

void cf_timer_stop(struct cf_timer *timer);

static inline bool cf_timer_is_set(const struct cf_timer *timer)
{
	return timer->slot != 0;
}

/** Calls fn once at the end of this turn (or of the next one when called outside). Setting it
 * again before that does nothing. */
void cf_defer_set(struct cf_defer *defer, struct cf_loop *loop, void (*fn)(void *arg), void *arg);
void cf_defer_cancel(struct cf_defer *defer);

/** Any thread: fn(arg) runs on the loop's thread, in the order of posting. drop (may be NULL) runs
 * instead when the loop is freed first. 0, CF_ENOMEM or CF_ELIMIT (mailbox full). */
CF_MUST_CHECK int cf_loop_post(
	struct cf_loop *loop, void (*fn)(void *arg), void (*drop)(void *arg), void *arg);

/** Any other thread: as cf_loop_post(), and waits until fn has run. */
CF_MUST_CHECK int cf_loop_post_wait(struct cf_loop *loop, void (*fn)(void *arg), void *arg);

#endif
