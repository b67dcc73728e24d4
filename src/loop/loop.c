/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/pace.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 128
#define HEAP_ARITY 4

struct mail {
	struct mail *next;
	void (*fn)(void *arg);
	void (*drop)(void *arg);
	void *arg;
};

struct cf_loop {
	int epoll_fd;
	struct cf_io wake;
	uint64_t now_us;
	uint64_t idle_us;
	pthread_t thread; /* ATOMIC by `running` */
	atomic_bool running;
	atomic_bool stopping;
	struct cf_timer **heap; /* owned; 4-ary, smallest due_us first */
	size_t heap_len;
	size_t heap_cap;
	struct cf_list deferred;
	struct cf_pace pace;
	/* The events of this turn: cf_io_stop() blanks those of a watcher that went away. */
	struct epoll_event events[EVENTS_PER_TURN];
	int n_events;
	bool mailed; /* something may lie in the mailbox: a turn without mail takes no lock */
	pthread_mutex_t lock;    /* LOCK: the mailbox only, held for a few instructions */
	struct mail *mail_first; /* LOCK: lock */
	struct mail **mail_last; /* LOCK: lock */
	size_t n_mail;           /* LOCK: lock */
};

static void on_wake(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_loop *loop = arg;
	uint64_t count;

	(void)events;
	while (read(io->fd, &count, sizeof(count)) > 0)
		;
	loop->mailed = true;
}

struct cf_loop *cf_loop_new(void)
{
	struct cf_loop *loop = cf_alloc(sizeof(*loop));
	int wake_fd;

	if (!loop)
		return NULL;
	cf_list_init(&loop->deferred);
	loop->mail_last = &loop->mail_first;
	pthread_mutex_init(&loop->lock, NULL);
	loop->now_us = cf_clock_us();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->wake.fd = wake_fd;
	if (loop->epoll_fd < 0 || wake_fd < 0 ||
		cf_io_start(&loop->wake, loop, wake_fd, CF_IO_READ, on_wake, loop) < 0)
		return cf_loop_free(loop);
	return loop;
}

struct cf_loop *cf_loop_free(struct cf_loop *loop)
{
	struct mail *mail;

	if (!loop)
		return NULL;
	while ((mail = loop->mail_first)) {
		loop->mail_first = mail->next;
		if (mail->drop)
			mail->drop(mail->arg);
		cf_free(mail);
	}
	for (size_t i = 0; i < loop->heap_len; i++)
		loop->heap[i]->slot = 0;
	cf_io_stop(&loop->wake);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_mutex_destroy(&loop->lock);
	cf_free(loop->heap);
	return cf_free(loop);
}

uint64_t cf_loop_now_us(const struct cf_loop *loop)
{
	return loop->now_us;
}

uint64_t cf_loop_update_now(struct cf_loop *loop)
{
	loop->now_us = cf_clock_us();
	return loop->now_us;
}

bool cf_loop_is_current(const struct cf_loop *loop)
{
	return atomic_load(&loop->running) && pthread_equal(loop->thread, pthread_self());
}

/* Watchers */

static uint32_t epoll_bits(unsigned events)
{
	return (events & CF_IO_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
	       (events & CF_IO_WRITE ? EPOLLOUT : 0u) | (events & CF_IO_EDGE ? EPOLLET : 0u);
}

static int control(struct cf_io *io, int op)
{
	struct epoll_event ev = {.events = epoll_bits(io->events), .data.ptr = io};

	return epoll_ctl(io->loop->epoll_fd, op, io->fd, &ev) < 0 ? cf_err_from_errno(errno) : 0;
}

int cf_io_start(
	struct cf_io *io, struct cf_loop *loop, int fd, unsigned events, cf_io_fn *fn, void *arg)
{
	int err;

	*io = (struct cf_io){.loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg};
	err = control(io, EPOLL_CTL_ADD);
	if (err)
		io->loop = NULL;
	return err;
}

int cf_io_set(struct cf_io *io, unsigned events)
{
	if (!io->loop)
		return CF_ESTATE;
	if (io->events == events)
		return 0;
	io->events = events;
	return control(io, EPOLL_CTL_MOD);
}

void cf_io_again(struct cf_io *io)
{
	if (io->loop)
		(void)!control(io, EPOLL_CTL_MOD);
}

void cf_io_stop(struct cf_io *io)
{
	struct cf_loop *loop = io->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == io)
			loop->events[i].data.ptr = NULL;
	io->loop = NULL;
}

static unsigned ready_bits(uint32_t events)
{
	return (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP) ? CF_IO_READ : 0u) |
	       (events & EPOLLOUT ? CF_IO_WRITE : 0u) |
	       (events & (EPOLLRDHUP | EPOLLHUP) ? CF_IO_HANGUP : 0u) |
	       (events & (EPOLLERR | EPOLLHUP) ? CF_IO_ERROR : 0u);
}

static void run_watchers(struct cf_loop *loop, int n)
{
	loop->n_events = n;
	for (int i = 0; i < n; i++) {
		struct cf_io *io = loop->events[i].data.ptr;

		if (io)
			io->fn(io, ready_bits(loop->events[i].events), io->arg);
	}
	loop->n_events = 0;
}

/* Timers: a 4-ary heap whose entries know their place. */

static void heap_put(struct cf_loop *loop, size_t i, struct cf_timer *timer)
{
	loop->heap[i] = timer;
	timer->slot = i + 1;
}

static void heap_up(struct cf_loop *loop, size_t i)
{
	struct cf_timer *timer = loop->heap[i];

	while (i > 0) {
		size_t parent = (i - 1) / HEAP_ARITY;

		if (loop->heap[parent]->due_us <= timer->due_us)
			break;
		heap_put(loop, i, loop->heap[parent]);
		i = parent;
	}
	heap_put(loop, i, timer);
}

static void heap_down(struct cf_loop *loop, size_t i)
{
	struct cf_timer *timer = loop->heap[i];

	for (;;) {
		size_t first = i * HEAP_ARITY + 1, least = i;
		uint64_t due_us = timer->due_us;

		for (size_t c = first; c < first + HEAP_ARITY && c < loop->heap_len; c++) {
			if (loop->heap[c]->due_us < due_us) {
				due_us = loop->heap[c]->due_us;
				least = c;
			}
		}
		if (least == i)
			break;
		heap_put(loop, i, loop->heap[least]);
		i = least;
	}
	heap_put(loop, i, timer);
}

static int heap_grow(struct cf_loop *loop)
{
	size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
	struct cf_timer **heap;

	if (loop->heap_len < loop->heap_cap)
		return 0;
	heap = cf_realloc(loop->heap, cap * sizeof(*heap));
	if (!heap)
		return CF_ENOMEM;
	loop->heap = heap;
	loop->heap_cap = cap;
	return 0;
}

int cf_timer_set(
	struct cf_timer *timer, struct cf_loop *loop, uint64_t due_us, cf_timer_fn *fn, void *arg)
{
	uint64_t was_us = timer->due_us;

	if (due_us == CF_TIME_NEVER) {
		cf_timer_stop(timer);
		return 0;
	}
	if (timer->slot == 0 && heap_grow(loop) < 0)
		return CF_ENOMEM;
	timer->loop = loop;
	timer->due_us = due_us;
	timer->fn = fn;
	timer->arg = arg;
	if (timer->slot == 0) {
		heap_put(loop, loop->heap_len++, timer);
		heap_up(loop, timer->slot - 1);
	} else if (due_us < was_us) {
		heap_up(loop, timer->slot - 1);
	} else {
		heap_down(loop, timer->slot - 1);
	}
	return 0;
}

int cf_timer_after(
	struct cf_timer *timer, struct cf_loop *loop, uint64_t delay_us, cf_timer_fn *fn, void *arg)
{
	return cf_timer_set(timer, loop, loop->now_us + delay_us, fn, arg);
}

void cf_timer_stop(struct cf_timer *timer)
{
	struct cf_loop *loop = timer->loop;
	struct cf_timer *last;
	size_t i;

	if (timer->slot == 0)
		return;
	i = timer->slot - 1;
	timer->slot = 0;
	last = loop->heap[--loop->heap_len];
	if (last == timer)
		return;
	heap_put(loop, i, last);
	heap_up(loop, i);
	heap_down(loop, last->slot - 1);
}

static void run_timers(struct cf_loop *loop)
{
	/* What becomes due by a callback's own doing waits for the next turn. */
	while (loop->heap_len > 0 && loop->heap[0]->due_us <= loop->now_us) {
		struct cf_timer *timer = loop->heap[0];

		cf_timer_stop(timer);
		timer->fn(timer, timer->arg);
	}
}

/* Deferred calls */

void cf_defer_set(struct cf_defer *defer, struct cf_loop *loop, void (*fn)(void *arg), void *arg)
{
	if (defer->link.next)
		return;
	defer->fn = fn;
	defer->arg = arg;
	cf_list_push(&loop->deferred, &defer->link);
}

void cf_defer_cancel(struct cf_defer *defer)
{
	cf_list_remove(&defer->link);
}

static void run_deferred(struct cf_loop *loop)
{
	struct cf_list batch, *link;

	if (cf_list_empty(&loop->deferred))
		return;
	/* Only what was there at the start: a call that defers itself must not hold the loop. */
	batch = loop->deferred;
	batch.next->prev = batch.prev->next = &batch;
	cf_list_init(&loop->deferred);
	while ((link = cf_list_pop(&batch))) {
		struct cf_defer *defer = CF_CONTAINER_OF(link, struct cf_defer, link);

		defer->fn(defer->arg);
	}
}

/* Mailbox */

static void wake(struct cf_loop *loop)
{
	uint64_t one = 1;

	if (write(loop->wake.fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop wakes anyway */
}

int cf_loop_post(struct cf_loop *loop, void (*fn)(void *arg), void (*drop)(void *arg), void *arg)
{
	struct mail *mail = cf_alloc(sizeof(*mail));
	bool full, first;

	if (!mail)
		return CF_ENOMEM;
	*mail = (struct mail){.fn = fn, .drop = drop, .arg = arg};
	pthread_mutex_lock(&loop->lock);
	full = loop->n_mail >= CF_LOOP_MAILBOX_MAX;
	first = loop->n_mail == 0;
	if (!full) {
		*loop->mail_last = mail;
		loop->mail_last = &mail->next;
		loop->n_mail++;
	}
	pthread_mutex_unlock(&loop->lock);
	if (full) {
		cf_free(mail);
		return CF_ELIMIT;
	}
	if (first)
		wake(loop);
	return 0;
}

static void run_mail(struct cf_loop *loop)
{
	struct mail *mail;

	loop->mailed = false;
	pthread_mutex_lock(&loop->lock);
	mail = loop->mail_first;
	loop->mail_first = NULL;
	loop->mail_last = &loop->mail_first;
	loop->n_mail = 0;
	pthread_mutex_unlock(&loop->lock);
	while (mail) {
		struct mail *next = mail->next;

		mail->fn(mail->arg);
		cf_free(mail);
		mail = next;
	}
}

struct rendezvous {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done; /* LOCK: lock */
	void (*fn)(void *arg);
	void *arg;
};

static void rendezvous_end(void *arg)
{
	struct rendezvous *r = arg;

	pthread_mutex_lock(&r->lock);
	r->done = true;
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

static void rendezvous_run(void *arg)
{
	struct rendezvous *r = arg;

	r->fn(r->arg);
	rendezvous_end(r);
}

int cf_loop_post_wait(struct cf_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct rendezvous r = {.fn = fn, .arg = arg};
	int err;

	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.cond, NULL);
	err = cf_loop_post(loop, rendezvous_run, rendezvous_end, &r);
	pthread_mutex_lock(&r.lock);
	while (!err && !r.done)
		pthread_cond_wait(&r.cond, &r.lock);
	pthread_mutex_unlock(&r.lock);
	pthread_cond_destroy(&r.cond);
	pthread_mutex_destroy(&r.lock);
	return err;
}

/* Turns */

static int wait_ms(const struct cf_loop *loop, int timeout_ms)
{
	uint64_t now_us, left_ms;

	if (!cf_list_empty(&loop->deferred))
		return 0;
	if (loop->heap_len == 0)
		return timeout_ms;
	now_us = cf_clock_us();
	if (loop->heap[0]->due_us <= now_us)
		return 0;
	left_ms = (loop->heap[0]->due_us - now_us + CF_US_PER_MS - 1) / CF_US_PER_MS;
	if (left_ms > 60000)
		left_ms = 60000;
	return timeout_ms >= 0 && (uint64_t)timeout_ms < left_ms ? timeout_ms : (int)left_ms;
}

void cf_loop_set_tick(struct cf_loop *loop, uint64_t tick_us)
{
	loop->pace = (struct cf_pace){.tick_us = tick_us};
}

static void rest(const struct cf_loop *loop)
{
	uint64_t until_us = cf_pace_rest_until_us(&loop->pace, cf_clock_us());
	struct timespec ts;

	if (loop->heap_len > 0 && loop->heap[0]->due_us < until_us)
		until_us = loop->heap[0]->due_us;
	ts.tv_sec = (time_t)(until_us / CF_US_PER_S);
	ts.tv_nsec = (long)(until_us % CF_US_PER_S) * 1000;
	if (until_us > 0 && cf_list_empty(&loop->deferred))
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

uint64_t cf_loop_idle_us(const struct cf_loop *loop)
{
	return loop->idle_us;
}

int cf_loop_run_once(struct cf_loop *loop, int timeout_ms)
{
	uint64_t begun_us = cf_clock_us();
	int n;

	if (loop->pace.busy)
		rest(loop);
	n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN, wait_ms(loop, timeout_ms));
	if (n < 0 && errno != EINTR)
		return cf_err_from_errno(errno);
	loop->idle_us += cf_loop_update_now(loop) - begun_us;
	cf_pace_turn(&loop->pace, n < 0 ? 0 : (uint32_t)n, loop->now_us);
	run_watchers(loop, n < 0 ? 0 : n);
	if (loop->mailed)
		run_mail(loop);
	run_timers(loop);
	run_deferred(loop);
	return 0;
}

int cf_loop_run(struct cf_loop *loop)
{
	int err = 0;

	loop->thread = pthread_self();
	atomic_store(&loop->running, true);
	while (!err && !atomic_load(&loop->stopping))
		err = cf_loop_run_once(loop, -1);
	atomic_store(&loop->running, false);
	atomic_store(&loop->stopping, false);
	return err;
}

void cf_loop_stop(struct cf_loop *loop)
{
	atomic_store(&loop->stopping, true);
	wake(loop);
}
