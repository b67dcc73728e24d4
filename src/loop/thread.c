/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/thread.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>

struct cf_loop_thread {
	pthread_t thread;
	bool joined;
	struct cf_loop *loop;
};

/* Signals belong to the main thread. */
static int start_thread(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed)
		return CF_ENOMEM;
	pthread_setname_np(*thread, name);
	return 0;
}

static void *loop_main(void *arg)
{
	cf_loop_run(((struct cf_loop_thread *)arg)->loop);
	return NULL;
}

struct cf_loop_thread *cf_loop_thread_new(const char *name)
{
	struct cf_loop_thread *thread = cf_alloc(sizeof(*thread));

	if (!thread)
		return NULL;
	thread->loop = cf_loop_new();
	if (!thread->loop || start_thread(&thread->thread, name, loop_main, thread) < 0) {
		cf_loop_free(thread->loop);
		return cf_free(thread);
	}
	return thread;
}

void cf_loop_thread_join(struct cf_loop_thread *thread)
{
	if (!thread->joined)
		pthread_join(thread->thread, NULL);
	thread->joined = true;
}

struct cf_loop_thread *cf_loop_thread_free(struct cf_loop_thread *thread)
{
	if (!thread)
		return NULL;
	if (!thread->joined)
		cf_loop_stop(thread->loop);
	cf_loop_thread_join(thread);
	cf_loop_free(thread->loop);
	return cf_free(thread);
}

struct cf_loop *cf_loop_thread_loop(struct cf_loop_thread *thread)
{
	return thread->loop;
}

struct job {
	struct job *next;
	void (*work)(void *arg);
	struct cf_loop *loop;
	void (*done)(void *arg);
	void *arg;
};

struct cf_pool {
	pthread_mutex_t lock; /* LOCK: guards the queue; held for a few instructions */
	pthread_cond_t cond;
	struct job *first; /* LOCK: lock */
	struct job **last; /* LOCK: lock */
	size_t n_jobs;     /* LOCK: lock */
	bool closing;      /* LOCK: lock */
	size_t max_jobs;   /* RO */
	unsigned n_threads;
	pthread_t threads[];
};

static struct job *next_job(struct cf_pool *pool)
{
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	while (!pool->first && !pool->closing)
		pthread_cond_wait(&pool->cond, &pool->lock);
	job = pool->first;
	if (job) {
		pool->first = job->next;
		if (!pool->first)
			pool->last = &pool->first;
		pool->n_jobs--;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *pool_main(void *arg)
{
	struct job *job;

	while ((job = next_job(arg))) {
		job->work(job->arg);
		/* A full mailbox means the loop is far behind: what waits there is bounded by
		 * max_jobs of every pool, far below the mailbox's limit. */
		if (job->loop)
			(void)!cf_loop_post(job->loop, job->done, job->done, job->arg);
		cf_free(job);
	}
	return NULL;
}

struct cf_pool *cf_pool_new(const char *name, unsigned n_threads, size_t max_jobs)
{
	struct cf_pool *pool = cf_alloc(sizeof(*pool) + n_threads * sizeof(pthread_t));

	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->cond, NULL);
	pool->last = &pool->first;
	pool->max_jobs = max_jobs;
	for (unsigned i = 0; i < n_threads; i++) {
		if (start_thread(&pool->threads[i], name, pool_main, pool) < 0)
			return cf_pool_free(pool);
		pool->n_threads++;
	}
	return pool;
}

struct cf_pool *cf_pool_free(struct cf_pool *pool)
{
	if (!pool)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->cond);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->cond);
	pthread_mutex_destroy(&pool->lock);
	return cf_free(pool);
}

int cf_pool_run(struct cf_pool *pool, void (*work)(void *arg), struct cf_loop *loop,
	void (*done)(void *arg), void *arg)
{
	struct job *job = cf_alloc(sizeof(*job));
	bool full;

	if (!job)
		return CF_ENOMEM;
	*job = (struct job){.work = work, .loop = loop, .done = done, .arg = arg};
	pthread_mutex_lock(&pool->lock);
	full = pool->n_jobs >= pool->max_jobs;
	if (!full) {
		*pool->last = job;
		pool->last = &job->next;
		pool->n_jobs++;
		pthread_cond_signal(&pool->cond);
	}
	pthread_mutex_unlock(&pool->lock);
	if (full)
		cf_free(job);
	return full ? CF_ELIMIT : 0;
}
