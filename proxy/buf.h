/*
 * Buffers: one size for everything that is received, opened, sealed or queued,
 * big enough for one TLS record in its largest wrapping. A buffer has one owner;
 * a pool keeps those that nobody owns, the most recently used (cache-hot) first.
 */
#ifndef FERRULE_PROXY_BUF_H
#define FERRULE_PROXY_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With its header a buffer is 17 KiB. */
#define BUF_SIZE (17 * 1024 - 16)

struct buf {
	struct buf *next; /* in a queue or in the pool */
	uint32_t start;   /* of what is left to consume in data */
	uint32_t end;     /* of what was put into data */
	uint8_t data[BUF_SIZE];
};

struct buf_pool {
	struct buf *free;
	size_t free_count;
	size_t in_use;   /* handed out now */
	size_t keep_max; /* more free ones than this go back to the heap */
};

/* An empty buffer, or NULL when memory ran out. */
struct buf *buf_new(struct buf_pool *pool);
void buf_free(struct buf_pool *pool, struct buf *buf);
/* Frees the pool's own buffers; those in use stay with their owners. */
void buf_pool_done(struct buf_pool *pool);

static inline size_t buf_len(const struct buf *buf)
{
	return buf->end - buf->start;
}

/* First in, first out; owns what it holds. */
struct buf_queue {
	struct buf *head, *tail;
	size_t bytes;
};

void buf_queue_push(struct buf_queue *queue, struct buf *buf);
/* Puts a buffer in front of all others. */
void buf_queue_unpop(struct buf_queue *queue, struct buf *buf);
/*
 * As buf_queue_push(), but into the last buffer when that has room: a queue's memory stays
 * within a small multiple of its bytes, however small the pieces.
 */
void buf_queue_join(struct buf_queue *queue, struct buf_pool *pool, struct buf *buf);
/* Takes len bytes off the front, freeing what becomes empty. */
void buf_queue_consume(struct buf_queue *queue, struct buf_pool *pool, size_t len);
/* Detaches the first buffer; NULL when empty. */
struct buf *buf_queue_pop(struct buf_queue *queue);
void buf_queue_clear(struct buf_queue *queue, struct buf_pool *pool);
/* Copies bytes behind the last buffer's, adding buffers as needed. 0 or -ENOMEM. */
int buf_queue_append(
	struct buf_queue *queue, struct buf_pool *pool, const uint8_t *data, size_t len);

/*
 * The beginning of something whose rest may take its time: who waits in the middle of a
 * record or a head holds about as much memory as it has sent, and not a buffer.
 */
struct stash {
	uint8_t *data; /* owned; NULL: it is empty */
	size_t len;
};

/*
 * Takes what is in the buffer, and frees that; false: it stays the caller's, because a
 * buffer is just what it needs, or memory ran out.
 */
bool stash_put(struct stash *stash, struct buf_pool *pool, struct buf *buf);
/* What was put there, in a buffer again. NULL: memory ran out; the stash is empty anyway. */
struct buf *stash_take(struct stash *stash, struct buf_pool *pool);
void stash_done(struct stash *stash);

#endif
