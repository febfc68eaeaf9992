#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- configuration ---- */

static const char *or_else(const char *value, const char *fallback)
{
	return value != NULL ? value : fallback;
}

static unsigned number_or_else(unsigned value, unsigned fallback)
{
	return value != 0 ? value : fallback;
}

/* What speaks HTTP itself cannot be a tunnel. */
static void write_mode(FILE *file, const struct ferrule_settings *settings, size_t index)
{
	if (strncmp(settings->backends[index], "files:", 6) != 0)
		fprintf(file, "    mode = \"%s\";\n", or_else(settings->mode, "tunnel"));
}

static void write_server(FILE *file, const struct ferrule_settings *settings, size_t index)
{
	fprintf(file, "%s  {\n    name = \"web%zu\"; secure_server = true;\n",
		index > 0 ? ",\n" : "", index);
	write_mode(file, settings, index);
	fprintf(file, "    secure_address = [ \"%s\" ]; secure_port = %u;\n",
		or_else(settings->address, "127.0.0.1"), settings->secure_port);
	fprintf(file, "    backend = \"%s\";\n", settings->backends[index]);
	if (!settings->self_signed)
		fprintf(file, "    trustpoint = \"TP\";\n");
	fprintf(file, "    tls_versions = [ %s ];\n",
		or_else(settings->versions, "\"1.2\", \"1.3\""));
	fprintf(file, "    ciphersuites = [ %s ];\n", or_else(settings->ciphersuites, ""));
	fprintf(file, "    offload = \"%s\";\n", or_else(settings->offload, "auto"));
	fprintf(file, "    max_connections = %u;\n",
		number_or_else(settings->max_connections, 1000));
	fprintf(file, "    timeout_policy: { handshake = %u; idle = %u; %s };\n",
		number_or_else(settings->handshake_timeout, 20),
		number_or_else(settings->idle_timeout, 60), or_else(settings->timeouts, ""));
	fprintf(file, "    %s\n  }", or_else(settings->server_extra[index], ""));
}

static void write_global(
	FILE *file, const struct ferrule *ferrule, const struct ferrule_settings *settings)
{
	fprintf(file, "state_directory = \"%s/state\";\n", ferrule->directory);
	fprintf(file, "run_directory = \"%s/run\";\n", ferrule->directory);
	fprintf(file, "hostname = \"localhost\"; domain_name = \"\";\n");
	fprintf(file, "log: { level = \"info\"; target = \"stderr\"; %s };\n",
		or_else(settings->log_extra, ""));
	fprintf(file, "workers = %u;\n", number_or_else(settings->workers, 1));
	fprintf(file, "drain_timeout = %u;\n", number_or_else(settings->drain_timeout, 2));
	if (geteuid() == 0)
		fprintf(file, "user = \"%s\"; group = \"%s\";\n",
			settings->keep_user ? "root" : "nobody",
			settings->keep_user ? "root" : "nogroup");
	if (settings->tickets_file != NULL)
		fprintf(file, "tickets: { file = \"%s\"; };\n", settings->tickets_file);
	if (!settings->self_signed)
		fprintf(file,
			"trustpoints = ( { name = \"TP\"; enrollment: { method = \"pem\"; };\n"
			"  files: { certificate = \"%s\"; key = \"%s\"; }; }%s %s );\n",
			ferrule->certificate_path, ferrule->key_path,
			settings->trustpoints != NULL ? "," : "",
			or_else(settings->trustpoints, ""));
	fprintf(file, "%s\n", or_else(settings->extra, ""));
}

bool ferrule_configure(struct ferrule *ferrule, const struct ferrule_settings *settings)
{
	FILE *file = fopen(ferrule->conf_path, "we");

	if (!EXPECT(file != NULL))
		return false;
	write_global(file, ferrule, settings);
	fprintf(file, "servers = (\n");
	for (size_t i = 0; i < FERRULE_SERVERS && settings->backends[i] != NULL; i++)
		write_server(file, settings, i);
	fprintf(file, "\n);\n");
	return EXPECT(fclose(file) == 0);
}

/* ---- start and stop ---- */

struct ferrule *ferrule_prepare(const struct ferrule_settings *settings)
{
	struct ferrule *ferrule = calloc(1, sizeof(*ferrule));

	if (ferrule == NULL)
		return NULL;
	snprintf(ferrule->directory, sizeof(ferrule->directory), "%s",
		harness_path("ferrule-XXXXXX"));
	if (mkdtemp(ferrule->directory) == NULL || chmod(ferrule->directory, 0755) < 0)
		goto fail;
#define IN_DIRECTORY(member, name)                                                                 \
	snprintf(ferrule->member, sizeof(ferrule->member), "%s/" name, ferrule->directory)
	IN_DIRECTORY(conf_path, "ferrule.conf");
	IN_DIRECTORY(log_path, "ferrule.log");
	IN_DIRECTORY(certificate_path, "certificate.pem");
	IN_DIRECTORY(key_path, "key.pem");
#undef IN_DIRECTORY
	if (!identity_write(
		    settings->identity, "first", ferrule->certificate_path, ferrule->key_path) ||
		!ferrule_configure(ferrule, settings))
		goto fail;
	return ferrule;
fail:
	free(ferrule);
	return NULL;
}

struct ferrule *ferrule_launch(const struct ferrule_settings *settings)
{
	struct ferrule *ferrule = ferrule_prepare(settings);
	const char *argv[] = {harness_ferrule(), "run", "-c", NULL, NULL};
	struct process_options options = {.argv = argv, .descriptors = settings->descriptors};

	if (!EXPECT(ferrule != NULL))
		return NULL;
	argv[3] = ferrule->conf_path;
	options.output = ferrule->log_path;
	ferrule->pid = process_spawn(&options);
	return ferrule;
}

/* From "listening on ADDRESS:PORT (KIND, server webN)". */
static uint16_t port_from_log(const char *log, const char *kind, size_t server)
{
	char tail[64];
	const char *found, *colon;

	snprintf(tail, sizeof(tail), " (%s, server web%zu)", kind, server);
	found = strstr(log, tail);
	if (found == NULL)
		return 0;
	for (colon = found; colon > log && *colon != ':'; colon--)
		;
	return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static bool has_line(const char *log, const char *line)
{
	const char *found = log;
	size_t len = strlen(line);

	while ((found = strstr(found, line)) != NULL) {
		if ((found == log || found[-1] == '\n') && found[len] == '\n')
			return true;
		found += len;
	}
	return false;
}

/* 1: ready, 0: not yet, -1: it ended. */
static int look_whether_ready(struct ferrule *ferrule)
{
	char *log = harness_file_read(ferrule->log_path, NULL);
	bool ready = log != NULL && has_line(log, "ready");

	for (size_t i = 0; ready && i < FERRULE_SERVERS; i++) {
		ferrule->ports[i] = port_from_log(log, "secure", i);
		ferrule->plain_ports[i] = port_from_log(log, "plain", i);
	}
	free(log);
	if (ready)
		return 1;
	return process_is_running(ferrule->pid) ? 0 : -1;
}

struct ferrule *ferrule_start(const struct ferrule_settings *settings)
{
	struct ferrule *ferrule = ferrule_launch(settings);
	int ready;

	if (ferrule == NULL)
		return NULL;
	while ((ready = look_whether_ready(ferrule)) == 0 && harness_tick())
		;
	if (EXPECT(ready == 1) && EXPECT(ferrule->ports[0] != 0))
		return ferrule;
	process_stop(ferrule->pid, SIGKILL);
	free(ferrule);
	return NULL;
}

void ferrule_stop(struct ferrule *ferrule)
{
	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(process_stop(ferrule->pid, SIGTERM), 0);
	EXPECT_EQUAL(ferrule_count_log(ferrule, "Sanitizer"), 0);
	EXPECT_EQUAL(ferrule_count_log(ferrule, "runtime error:"), 0);
	free(ferrule);
}

/* ---- commands ---- */

#define WORDS 6

int ferrule_command(const struct ferrule *ferrule, const char *const words[], char **output)
{
	const char *argv[WORDS + 4] = {harness_ferrule()};
	const char *path = harness_path("command.log");
	size_t count = 1;
	int status;

	while (count <= WORDS && words[count - 1] != NULL) {
		argv[count] = words[count - 1];
		count++;
	}
	argv[count++] = "-c";
	argv[count] = ferrule->conf_path;
	unlink(path);
	status = process_run(argv, NULL, path);
	*output = harness_file_read(path, NULL);
	return status;
}

int ferrule_reload(const struct ferrule *ferrule, char **output)
{
	return ferrule_command(ferrule, (const char *const[]){"reload", NULL}, output);
}

char *ferrule_show_offload(const struct ferrule *ferrule)
{
	char *output;

	if (ferrule_command(ferrule, (const char *const[]){"show", "offload", "--json", NULL},
		    &output) == 0)
		return output;
	free(output);
	return NULL;
}

/* ---- log ---- */

unsigned ferrule_count_log(const struct ferrule *ferrule, const char *text)
{
	char *log = harness_file_read(ferrule->log_path, NULL);
	const char *found = log;
	unsigned count = 0;

	while (found != NULL && (found = strcasestr(found, text)) != NULL) {
		count++;
		found += strlen(text);
	}
	free(log);
	return count;
}

bool ferrule_wait_log(const struct ferrule *ferrule, const char *text)
{
	do {
		if (ferrule_count_log(ferrule, text) > 0)
			return true;
	} while (harness_tick());
	return false;
}

/* Splits "name=value" or "name=\"quoted value\"" off the text; NULL at its end. */
static char *field_split(char *next, const char **name, const char **value)
{
	char *out;

	while (*next == ' ')
		next++;
	*name = next;
	next = strchr(next, '=');
	if (next == NULL)
		return NULL;
	*next++ = '\0';
	if (*next != '"') {
		*value = next;
		next += strcspn(next, " ");
		if (*next != '\0')
			*next++ = '\0';
		return next;
	}
	*value = out = ++next;
	while (*next != '"' && *next != '\0') {
		if (*next == '\\' && next[1] != '\0')
			next++;
		*out++ = *next++;
	}
	if (*next == '"')
		next++;
	*out = '\0';
	return next;
}

static void conn_line_parse(struct conn_line *line)
{
	char *next = line->text;
	const char *name, *value;

	line->count = 0;
	while (line->count < CONN_LINE_FIELDS) {
		next = field_split(next, &name, &value);
		if (next == NULL)
			return;
		line->fields[line->count].name = name;
		line->fields[line->count].value = value;
		line->count++;
	}
}

/* Copies the whole line that holds the mark; a line still being written is none. */
static bool line_copy(const char *log, const char *mark, char *out, size_t size)
{
	const char *found = strstr(log, mark);
	size_t len;

	if (found == NULL)
		return false;
	while (found > log && found[-1] != '\n')
		found--;
	len = strcspn(found, "\n");
	if (found[len] != '\n' || len >= size || strncmp(found, "conn ", 5) != 0)
		return false;
	found += 5;
	len -= 5;
	memcpy(out, found, len);
	out[len] = '\0';
	return true;
}

bool conn_line_wait(const struct ferrule *ferrule, uint16_t client_port, struct conn_line *line)
{
	char mark[64];
	bool found = false;

	/* The fields' order is part of the interface: peer, then server. */
	snprintf(mark, sizeof(mark), ":%u server=", client_port);
	do {
		char *log = harness_file_read(ferrule->log_path, NULL);

		found = log != NULL && line_copy(log, mark, line->text, sizeof(line->text));
		free(log);
	} while (!found && harness_tick());
	if (!found)
		line->text[0] = '\0';
	conn_line_parse(line);
	return EXPECT(found && "the connection's log line");
}

bool conn_line_after(const struct ferrule *ferrule, struct client *client, struct conn_line *line)
{
	client_hang_up(client);
	return conn_line_wait(ferrule, client->local_port, line);
}

const char *conn_line_get(const struct conn_line *line, const char *name)
{
	for (size_t i = 0; i < line->count; i++)
		if (strcmp(line->fields[i].name, name) == 0)
			return line->fields[i].value;
	return "";
}

uint64_t conn_line_number(const struct conn_line *line, const char *name)
{
	return strtoull(conn_line_get(line, name), NULL, 10);
}

/* ---- fixture ---- */

bool fixture_start(struct fixture *fixture, struct ferrule_settings settings)
{
	fixture->ferrule = NULL;
	fixture->backend = backend_start(NULL);
	if (!EXPECT(fixture->backend != NULL))
		return false;
	settings.backends[0] = backend_address(fixture->backend);
	fixture->ferrule = ferrule_start(&settings);
	if (fixture->ferrule != NULL)
		return true;
	backend_stop(fixture->backend);
	return false;
}

void fixture_stop(struct fixture *fixture)
{
	ferrule_stop(fixture->ferrule);
	backend_stop(fixture->backend);
}

struct client *fixture_client(const struct fixture *fixture, struct client_options options)
{
	struct client *client;

	options.port = fixture->ferrule->ports[0];
	client = client_open(&options);
	EXPECT(client != NULL);
	return client;
}

struct client *fixture_visit(
	const struct fixture *fixture, struct client_options options, const char *command)
{
	struct client *client = fixture_client(fixture, options);

	if (client == NULL || EXPECT(client_say(client, command)))
		return client;
	client_free(client);
	return NULL;
}

void fixture_expect_service(const struct fixture *fixture)
{
	struct client *client =
		fixture_visit(fixture, (struct client_options){0}, "send 5000 77\n");

	if (client == NULL)
		return;
	EXPECT_EQUAL(client_read_pattern(client, 77), 5000);
	EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	client_free(client);
}
