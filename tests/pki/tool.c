#include "tests/pki/tool.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT 64

const char *keep(const char *format, ...)
{
	static char ring[KEPT][2500];
	static unsigned next;
	char *text = ring[next++ % KEPT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(ring[0]), format, arguments);
	va_end(arguments);
	return text;
}

/* Shown with a failed test's other logs. */
static void note(const char *const *argv, int status, const char *output)
{
	FILE *file = fopen(keep("%s/commands.log", harness_scratch()), "ae");

	if (file == NULL)
		return;
	fputc('$', file);
	for (size_t i = 0; argv[i] != NULL; i++)
		fprintf(file, " %s", argv[i]);
	fprintf(file, "\n%s(status %d)\n", output != NULL ? output : "", status);
	fclose(file);
}

int tool_run_with(const char *const *argv, const char *input, char **output)
{
	char out_path[300], in_path[300];
	char *said;
	int status;

	snprintf(out_path, sizeof(out_path), "%s/tool.out", harness_scratch());
	snprintf(in_path, sizeof(in_path), "%s/tool.in", harness_scratch());
	unlink(out_path);
	if (input != NULL && !harness_file_write(in_path, input, strlen(input)))
		return -1;
	status = process_run(argv, input != NULL ? in_path : NULL, out_path);
	said = harness_file_read(out_path, NULL);
	note(argv, status, said);
	if (output != NULL)
		*output = said != NULL ? said : strdup("");
	else
		free(said);
	return status;
}

int tool_run(const char *const *argv, char **output)
{
	return tool_run_with(argv, NULL, output);
}

bool tool_expect(const char *const *argv, const char *file, int line)
{
	char what[600];
	char *output;
	int status = tool_run(argv, &output);

	snprintf(what, sizeof(what), "%s %s %s said (%d): %.400s", argv[0],
		argv[1] != NULL ? argv[1] : "", argv[1] != NULL && argv[2] != NULL ? argv[2] : "",
		status, output);
	free(output);
	return harness_expect(status == 0, what, file, line);
}

char *tool_output(const char *const *argv)
{
	char *output;

	EXPECT_EQUAL(tool_run(argv, &output), 0);
	return output;
}
