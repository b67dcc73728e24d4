/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that runs a loop, and a small pool of threads for work that blocks (store, DNS). */
#ifndef CF_LOOP_THREAD_H
#define CF_LOOP_THREAD_H

#include "loop/loop.h"

struct cf_loop_thread;

/** Starts a thread (name: at most 15 characters) that runs a loop of its own. NULL on failure. */
CF_MUST_CHECK struct cf_loop_thread *cf_loop_thread_new(const char *name);

/** Waits until the loop was stopped by someone else; its objects may then be freed from here,
 * before cf_loop_thread_free(). Not from the thread itself. */
void cf_loop_thread_join(struct cf_loop_thread *thread);

/** Stops the loop, waits for the thread, frees both. Not from the thread itself. */
struct cf_loop_thread *cf_loop_thread_free(struct cf_loop_thread *thread);

struct cf_loop *cf_loop_thread_loop(struct cf_loop_thread *thread);

struct cf_pool;

/** n_threads workers with one queue of at most max_jobs. NULL on failure. */
CF_MUST_CHECK struct cf_pool *cf_pool_new(const char *name, unsigned n_threads, size_t max_jobs);

/** Finishes what is queued, then frees. */
struct cf_pool *cf_pool_free(struct cf_pool *pool);

/**
 * Any thread: work(arg) runs on a worker; then done(arg) on the loop (loop may be NULL: no done).
 * Jobs of a pool with one thread run in order. 0, CF_ENOMEM or CF_ELIMIT.
 */
CF_MUST_CHECK int cf_pool_run(struct cf_pool *pool, void (*work)(void *arg), struct cf_loop *loop,
	void (*done)(void *arg), void *arg);

#endif
