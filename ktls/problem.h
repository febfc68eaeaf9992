/* Where ktls_server_new() puts what is wrong with its options. Private to ktls/. */
#ifndef FERRULE_KTLS_PROBLEM_H
#define FERRULE_KTLS_PROBLEM_H

#include <stddef.h>

struct ktls_problem {
	char *text; /* borrowed */
	size_t size;
};

/* Both return -1, for `return`. */
int ktls_refuse(const struct ktls_problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Ends the sentence with OpenSSL's reason. */
int ktls_refuse_openssl(const struct ktls_problem *problem, const char *what);

/* The newest of OpenSSL's queue of errors, which it empties. */
const char *ktls_openssl_reason(void);

#endif
