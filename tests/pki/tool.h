/* Programs that are run to their end, and what they said. */
#ifndef FERRULE_TESTS_PKI_TOOL_H
#define FERRULE_TESTS_PKI_TOOL_H

#include <stdbool.h>

/* Text that lasts for a while: until 64 more of it have been made. */
const char *keep(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The words of a command in one expression. */
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Exit status; both outputs in *output (may be NULL), to be freed. */
int tool_run(const char *const *argv, char **output);
/* The same with a text as its standard input. */
int tool_run_with(const char *const *argv, const char *input, char **output);

/* Expects success; shows what was said when there is none. */
#define TOOL_EXPECT(...) tool_expect(WORDS(__VA_ARGS__), __FILE__, __LINE__)
bool tool_expect(const char *const *argv, const char *file, int line);

/* What it said, to be freed; expects success. */
char *tool_output(const char *const *argv);

#endif
