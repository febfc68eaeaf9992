/*
 * Pipes for splice, leased while bytes move. The pool is bounded because the
 * kernel turns an unprivileged user's pipes into 2-slot ones once they hold
 * pipe-user-pages-soft pages (16384) in all (U3), and every pipe is two
 * descriptors. Only an empty pipe comes back into the pool.
 */
#ifndef FERRULE_PROXY_PIPE_POOL_H
#define FERRULE_PROXY_PIPE_POOL_H

#include <stddef.h>

/* K1, K7: fewer slots lose data on some kernels. */
#define PIPE_SLOTS 16

struct pipe {
	struct pipe *next;
	int read_fd, write_fd;
	size_t bytes; /* in the pipe now; kept by whoever leases it */
};

struct pipe_pool {
	struct pipe *free;
	unsigned open; /* leased and free ones */
	unsigned max;
};

/* An empty pipe of at least PIPE_SLOTS slots, or NULL: use buffers instead. */
struct pipe *pipe_lease(struct pipe_pool *pool);
/* Takes a pipe back; one with bytes left in it is closed. NULL is fine. */
void pipe_return(struct pipe_pool *pool, struct pipe *pipe);
void pipe_pool_done(struct pipe_pool *pool);

#endif
