/*
 * The two statuses of `show ip http server`, in its words, so that who knows them
 * finds them again; and what the server has done so far.
 */
#include "proxy/access_class.h"
#include "proxy/json.h"
#include "proxy/show_view.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- values, the same in both forms ---------------------------------------------- */

struct form {
	FILE *out;
	bool json;
};

/* NULL: the text is left empty. */
static void put_word(const struct form *form, const char *word)
{
	if (form->json)
		json_string(form->out, word);
	else if (word)
		fprintf(form->out, " %s", word);
}

static void put_truth(const struct form *form, bool value, const char *yes, const char *no)
{
	if (form->json)
		fputs(value ? "true" : "false", form->out);
	else
		put_word(form, value ? yes : no);
}

static void put_count(const struct form *form, uint64_t count)
{
	fprintf(form->out, "%s%" PRIu64, form->json ? "" : " ", count);
}

/* 0 is no limit; JSON leaves it a number. */
static void put_limit(const struct form *form, unsigned limit, const char *unit)
{
	if (!form->json && limit == 0) {
		put_word(form, "unlimited");
		return;
	}
	put_count(form, limit);
	if (!form->json)
		fputs(unit, form->out);
}

/* One item of a list that begins and ends with put_bracket(). */
static void put_item(const struct form *form, size_t index, const char *item, const char *separator)
{
	if (index > 0)
		fputs(form->json ? "," : separator, form->out);
	put_word(form, item);
}

static void put_bracket(const struct form *form, char bracket)
{
	if (form->json)
		fputc(bracket, form->out);
}

/* ---- settings ---------------------------------------------------------------------- */

static void http_status(const struct form *form, const struct show_view *view)
{
	put_truth(form, view->server->conf->http_server, "Enabled", "Disabled");
}

static void http_port(const struct form *form, const struct show_view *view)
{
	put_count(form, view->http_port);
}

static void authentication(const struct form *form, const struct show_view *view)
{
	bool is_basic = view->server->conf->authentication.method == CONF_AUTHENTICATION_BASIC;
	put_word(form, is_basic ? "basic" : "none");
}

static void access_class(const struct form *form, const struct show_view *view)
{
	const struct conf_server *conf = view->server->conf;
	char rule[ACCESS_RULE_TEXT];
	put_bracket(form, '[');
	for (size_t i = 0; i < conf->access_rule_count; i++)
		put_item(form, i, access_rule_text(&conf->access_class[i], rule), ",");
	put_bracket(form, ']');
	if (!form->json && conf->access_rule_count == 0)
		put_word(form, "none");
}

static void base_path(const struct form *form, const struct show_view *view)
{
	const struct conf_backend *backend = &view->server->conf->backend;
	put_word(form, backend->type == CONF_BACKEND_FILES ? backend->path : NULL);
}

static void max_connections(const struct form *form, const struct show_view *view)
{
	put_count(form, view->server->conf->max_connections);
}

static void backend_max_connections(const struct form *form, const struct show_view *view)
{
	put_count(form, view->server->conf->backend_max_connections);
}

static void idle_timeout(const struct form *form, const struct show_view *view)
{
	put_limit(form, view->server->conf->timeout.idle, " seconds");
}

static void life_timeout(const struct form *form, const struct show_view *view)
{
	put_limit(form, view->server->conf->timeout.life, " seconds");
}

static void max_requests(const struct form *form, const struct show_view *view)
{
	put_limit(form, view->server->conf->timeout.requests, "");
}

/* Some images of IOS came without; ferrule does not. */
static void capability(const struct form *form, const struct show_view *view)
{
	(void)view;
	put_truth(form, true, "Present", "Not present");
}

static void secure_status(const struct form *form, const struct show_view *view)
{
	put_truth(form, view->server->conf->secure_server, "Enabled", "Disabled");
}

static void secure_port(const struct form *form, const struct show_view *view)
{
	put_count(form, view->secure_port);
}

/* What is offered; of a server that offers nothing, what the file says. */
static void ciphersuites(const struct form *form, const struct show_view *view)
{
	const struct conf_strings *names = &view->server->conf->ciphersuites;
	size_t offered, count;
	struct ktls_suite *suites = show_suites_of(view->server, &offered);
	count = suites ? offered : names->count;
	put_bracket(form, '[');
	for (size_t i = 0; i < count; i++)
		put_item(form, i, suites ? suites[i].name : names->items[i], "");
	put_bracket(form, ']');
	if (!form->json && count == 0)
		put_word(form, "default");
	free(suites);
}

static void client_authentication(const struct form *form, const struct show_view *view)
{
	enum conf_client_auth client_auth = view->server->conf->client_auth;
	static const struct {
		const char *key, *text; /* the configuration's word, and IOS's */
	} words[] = {
		[CONF_CLIENT_AUTH_NONE] = {"none", "Disabled"},
		[CONF_CLIENT_AUTH_OPTIONAL] = {"optional", "Optional"},
		[CONF_CLIENT_AUTH_REQUIRED] = {"required", "Required"},
	};
	put_word(form, form->json ? words[client_auth].key : words[client_auth].text);
}

/* A trustpoint could be called that, too: JSON has null for the built-in one. */
static void trustpoint(const struct form *form, const struct show_view *view)
{
	const struct conf_trustpoint *own = view->server->conf->trustpoint;
	put_word(form, own ? own->name : form->json ? NULL : "self-signed");
}

/* ---- figures ------------------------------------------------------------------------- */

static void connections_open(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.open);
}

static void connections_accepted(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.accepted);
}

static void connections_refused(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.refused);
}

static void requests(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.requests);
}

static void requests_refused(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.requests_refused);
}

static void backends_open(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.backend_busy + view->sum.backend_idle);
}

static void handshakes_failed(const struct form *form, const struct show_view *view)
{
	put_count(form, view->sum.handshake_failed);
}

static void offload_policy(const struct form *form, const struct show_view *view)
{
	put_word(form, conf_offload_name(view->server->conf->offload));
}

static void offload(const struct form *form, const struct show_view *view)
{
	const struct stats_server *sum = &view->sum;
	if (form->json)
		fprintf(form->out, "{\"both\":%" PRIu64 ",\"tx\":%" PRIu64 ",\"none\":%" PRIu64 "}",
			sum->offload_both, sum->offload_tx, sum->offload_none);
	else
		fprintf(form->out,
			" %" PRIu64 " both directions, %" PRIu64 " transmit only, %" PRIu64
			" user space",
			sum->offload_both, sum->offload_tx, sum->offload_none);
}

/* ---- fields --------------------------------------------------------------------------- */

struct field {
	const char *label; /* as `show ip http server` has it, where it has it */
	const char *key;   /* JSON */
	void (*put)(const struct form *form, const struct show_view *view);
};

/* clang-format off */
static const struct field http_fields[] = {
	{"HTTP server status", "http_server_enabled", http_status},
	{"HTTP server port", "http_server_port", http_port},
	{"HTTP server authentication method", "http_server_authentication_method", authentication},
	{"HTTP server access class", "http_server_access_class", access_class},
	{"HTTP server base path", "http_server_base_path", base_path},
	{"Maximum number of concurrent server connections allowed", "max_connections",
		max_connections},
	{"Maximum number of concurrent backend connections allowed", "backend_max_connections",
		backend_max_connections},
	{"Server idle time-out", "idle_timeout", idle_timeout},
	{"Server life time-out", "life_timeout", life_timeout},
	{"Maximum number of requests allowed on a connection", "max_requests", max_requests},
	{"HTTP secure server capability", "secure_server_capability", capability},
	{NULL, NULL, NULL},
};

static const struct field secure_fields[] = {
	{"HTTP secure server status", "secure_server_enabled", secure_status},
	{"HTTP secure server port", "secure_server_port", secure_port},
	{"HTTP secure server ciphersuite", "secure_server_ciphersuites", ciphersuites},
	{"HTTP secure server client authentication", "secure_server_client_authentication",
		client_authentication},
	{"HTTP secure server trustpoint", "secure_server_trustpoint", trustpoint},
	{NULL, NULL, NULL},
};

static const struct field figures[] = {
	{"Server current connections", "connections_open", connections_open},
	{"Server connections accepted", "connections_accepted", connections_accepted},
	{"Server connections refused", "connections_refused", connections_refused},
	{"Server requests", "requests", requests},
	{"Server requests refused", "requests_refused", requests_refused},
	{"Server current backend connections", "backend_connections_open", backends_open},
	{"HTTP secure server handshakes failed", "handshakes_failed", handshakes_failed},
	{"HTTP secure server offload policy", "offload_policy", offload_policy},
	{"HTTP secure server offload", "offload", offload},
	{NULL, NULL, NULL},
};
/* clang-format on */

static void put_fields(
	const struct form *form, const struct field *field, const struct show_view *view)
{
	for (; field->label; field++) {
		if (form->json)
			fprintf(form->out, ",\"%s\":", field->key);
		else
			fprintf(form->out, "%s:", field->label);
		field->put(form, view);
		fputs(form->json ? "" : "\n", form->out);
	}
}

static void put_server(const struct form *form, const struct show_view *view, bool is_whole)
{
	fputs(form->json ? "{\"name\":" : "Server", form->out);
	put_word(form, view->server->conf->name);
	fputs(form->json ? "" : "\n", form->out);
	if (is_whole)
		put_fields(form, http_fields, view);
	put_fields(form, secure_fields, view);
	put_fields(form, figures, view);
	fputs(form->json ? "}" : "", form->out);
}

void show_server_json(FILE *out, const struct show_view *view)
{
	put_server(&(struct form){out, true}, view, true);
}

void show_server_text(FILE *out, const struct show_view *view)
{
	put_server(&(struct form){out, false}, view, true);
}

void show_secure_json(FILE *out, const struct show_view *view)
{
	put_server(&(struct form){out, true}, view, false);
}

void show_secure_text(FILE *out, const struct show_view *view)
{
	put_server(&(struct form){out, false}, view, false);
}
