#include "proxy/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than half a buffer is worth a whole one. */
#define STASH_MAX (BUF_SIZE / 2)

struct buf *buf_new(struct buf_pool *pool)
{
	struct buf *buf = pool->free;
	if (buf) {
		pool->free = buf->next;
		pool->free_count--;
	} else if (!(buf = malloc(sizeof *buf))) {
		return NULL;
	}
	buf->next = NULL;
	buf->start = buf->end = 0;
	pool->in_use++;
	return buf;
}

void buf_free(struct buf_pool *pool, struct buf *buf)
{
	if (!buf)
		return;
	assert(pool->in_use > 0);
	pool->in_use--;
	if (pool->free_count >= pool->keep_max) {
		free(buf);
		return;
	}
	buf->next = pool->free;
	pool->free = buf;
	pool->free_count++;
}

void buf_pool_done(struct buf_pool *pool)
{
	while (pool->free) {
		struct buf *buf = pool->free;
		pool->free = buf->next;
		free(buf);
	}
	pool->free_count = 0;
}

void buf_queue_push(struct buf_queue *queue, struct buf *buf)
{
	buf->next = NULL;
	if (queue->tail)
		queue->tail->next = buf;
	else
		queue->head = buf;
	queue->tail = buf;
	queue->bytes += buf_len(buf);
}

void buf_queue_unpop(struct buf_queue *queue, struct buf *buf)
{
	buf->next = queue->head;
	if (!queue->tail)
		queue->tail = buf;
	queue->head = buf;
	queue->bytes += buf_len(buf);
}

void buf_queue_join(struct buf_queue *queue, struct buf_pool *pool, struct buf *buf)
{
	struct buf *tail = queue->tail;
	size_t len = buf_len(buf);
	if (!tail || BUF_SIZE - tail->end < len) {
		buf_queue_push(queue, buf);
		return;
	}
	memcpy(tail->data + tail->end, buf->data + buf->start, len);
	tail->end += (uint32_t)len;
	queue->bytes += len;
	buf_free(pool, buf);
}

struct buf *buf_queue_pop(struct buf_queue *queue)
{
	struct buf *buf = queue->head;
	if (!buf)
		return NULL;
	queue->head = buf->next;
	if (!queue->head)
		queue->tail = NULL;
	queue->bytes -= buf_len(buf);
	buf->next = NULL;
	return buf;
}

void buf_queue_consume(struct buf_queue *queue, struct buf_pool *pool, size_t len)
{
	assert(len <= queue->bytes);
	while (queue->head && len >= buf_len(queue->head)) {
		len -= buf_len(queue->head);
		buf_free(pool, buf_queue_pop(queue));
	}
	if (queue->head) {
		queue->head->start += (uint32_t)len;
		queue->bytes -= len;
	}
}

void buf_queue_clear(struct buf_queue *queue, struct buf_pool *pool)
{
	while (queue->head)
		buf_free(pool, buf_queue_pop(queue));
}

int buf_queue_append(
	struct buf_queue *queue, struct buf_pool *pool, const uint8_t *data, size_t len)
{
	while (len > 0) {
		struct buf *buf = queue->tail;
		if (!buf || buf->end == BUF_SIZE) {
			if (!(buf = buf_new(pool)))
				return -ENOMEM;
			buf_queue_push(queue, buf);
		}
		size_t n = BUF_SIZE - buf->end < len ? BUF_SIZE - buf->end : len;
		memcpy(buf->data + buf->end, data, n);
		buf->end += (uint32_t)n;
		queue->bytes += n;
		data += n;
		len -= n;
	}
	return 0;
}

bool stash_put(struct stash *stash, struct buf_pool *pool, struct buf *buf)
{
	size_t len = buf_len(buf);
	uint8_t *data = len <= STASH_MAX ? malloc(len) : NULL;
	assert(!stash->data && len > 0);
	if (!data)
		return false;
	memcpy(data, buf->data + buf->start, len);
	buf_free(pool, buf);
	*stash = (struct stash){data, len};
	return true;
}

struct buf *stash_take(struct stash *stash, struct buf_pool *pool)
{
	struct buf *buf = buf_new(pool);
	if (buf) {
		memcpy(buf->data, stash->data, stash->len);
		buf->end = (uint32_t)stash->len;
	}
	stash_done(stash);
	return buf;
}

void stash_done(struct stash *stash)
{
	free(stash->data);
	*stash = (struct stash){NULL, 0};
}
