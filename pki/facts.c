#include "pki/facts.h"
#include "pki/error.h"
#include "pki/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_BOOL, KIND_TIME, KIND_NUMBER, KIND_TEXT };

struct fact {
	const char *word;
	enum kind kind;
	size_t offset, size;
};

#define FACT(word, kind, field)                                                                    \
	{                                                                                          \
		word, kind, offsetof(struct pki_facts, field),                                     \
			sizeof(((struct pki_facts *)NULL)->field)                                  \
	}

static const struct fact facts_known[] = {
	FACT("exportable", KIND_BOOL, exportable),
	FACT("label", KIND_TEXT, label),
	FACT("key-made", KIND_TIME, key_made),
	FACT("enrolled", KIND_TIME, enrolled),
	FACT("method", KIND_NUMBER, method),
	FACT("polls", KIND_NUMBER, polls),
	FACT("next-poll", KIND_TIME, next_poll),
	FACT("requested", KIND_TIME, requested),
	FACT("regenerate", KIND_BOOL, regenerate),
	FACT("transaction", KIND_TEXT, transactions[0]),
	FACT("encryption-transaction", KIND_TEXT, transactions[1]),
};

#define COUNT (sizeof facts_known / sizeof *facts_known)

bool pki_facts_are_default(const struct pki_facts *facts)
{
	const unsigned char *bytes = (const unsigned char *)facts;
	for (size_t i = 0; i < COUNT; i++)
		for (size_t at = 0; at < facts_known[i].size; at++)
			if (bytes[facts_known[i].offset + at])
				return false;
	return true;
}

/* Every field but a text, as a number. */
static long long number_of(const struct fact *fact, const void *field)
{
	bool truth;
	time_t when;
	unsigned number;
	switch (fact->kind) {
	case KIND_BOOL:
		memcpy(&truth, field, sizeof truth);
		return truth;
	case KIND_TIME:
		memcpy(&when, field, sizeof when);
		return when;
	case KIND_NUMBER:
		memcpy(&number, field, sizeof number);
		return number;
	case KIND_TEXT:
		break;
	}
	return 0;
}

static int fact_write(BIO *bio, const struct fact *fact, const void *field)
{
	if (fact->kind == KIND_TEXT)
		return *(const char *)field
			       ? BIO_printf(bio, "%s %s\n", fact->word, (const char *)field)
			       : 1;
	long long number = number_of(fact, field);
	return number ? BIO_printf(bio, "%s %lld\n", fact->word, number) : 1;
}

BIO *pki_facts_write(const struct pki_facts *facts)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool written = bio;
	for (size_t i = 0; i < COUNT && written; i++)
		written = fact_write(bio, &facts_known[i],
				  (const char *)facts + facts_known[i].offset) > 0;
	if (!written) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}

static void fact_store(const struct fact *fact, void *field, const char *value)
{
	long long number = strtoll(value, NULL, 10);
	bool truth = number != 0;
	time_t when = (time_t)number;
	unsigned small = (unsigned)number;
	switch (fact->kind) {
	case KIND_BOOL:
		memcpy(field, &truth, sizeof truth);
		break;
	case KIND_TIME:
		memcpy(field, &when, sizeof when);
		break;
	case KIND_NUMBER:
		memcpy(field, &small, sizeof small);
		break;
	case KIND_TEXT:
		if (strlen(value) < fact->size)
			memcpy(field, value, strlen(value) + 1);
		break;
	}
}

static void line_read(struct pki_facts *facts, char *line)
{
	char *value = strchr(line, ' ');
	if (!value)
		return;
	*value++ = '\0';
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(line, facts_known[i].word) == 0)
			fact_store(&facts_known[i], (char *)facts + facts_known[i].offset, value);
}

int pki_facts_read(const char *path, struct pki_facts *facts, struct pki_error *error)
{
	struct pki_file file;
	*facts = (struct pki_facts){0};
	if (pki_file_read(path, &file, error))
		return -1;
	/* There is room for one byte more than was read. */
	file.data[file.len] = '\0';
	char *rest = file.data, *line;
	while ((line = strsep(&rest, "\n")))
		line_read(facts, line);
	pki_file_done(&file);
	return 0;
}
