"""Results as files: CSV, JSON, and the check of both."""

import csv
import json
import re

CSV_HEADING = ("round", "cell", "subject", "figure", "value", "unit")


def write_csv(path, cells, samples):
    units = {cell.name: cell.figures for cell in cells}
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(CSV_HEADING)
        for sample in samples:
            for figure, value in sample["figures"].items():
                rows.writerow((sample["round"], sample["cell"], sample["subject"], figure,
                               f"{value:.6g}", units[sample["cell"]][figure]))


def write_json(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, ensure_ascii=False)
        file.write("\n")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool,
          "number": (int, float), "integer": int}


def schema_errors(value, schema, where="results"):
    """What of a value is not as a JSON Schema wants it; as much of JSON Schema as
    results.schema.json uses: type, enum, pattern, minimum, required, properties,
    additionalProperties, items and minItems."""
    wanted = schema.get("type")
    if wanted and (not isinstance(value, _TYPES[wanted]) or
                   (isinstance(value, bool) and wanted != "boolean")):
        return [f"{where}: not of type {wanted}"]
    errors = []
    if "enum" in schema and value not in schema["enum"]:
        errors.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        errors.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if "minimum" in schema and value < schema["minimum"]:
        errors.append(f"{where}: {value} is less than {schema['minimum']}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            errors.append(f"{where}: too few entries")
        for number, item in enumerate(value):
            errors += schema_errors(item, schema.get("items", {}), f"{where}[{number}]")
    if isinstance(value, dict):
        errors += _object_errors(value, schema, where)
    return errors


def _object_errors(value, schema, where):
    errors = [f"{where}: has no {name}" for name in schema.get("required", ())
              if name not in value]
    known, other = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, member in value.items():
        if name in known:
            errors += schema_errors(member, known[name], f"{where}.{name}")
        elif other is False:
            errors.append(f"{where}: {name} is unknown")
        else:
            errors += schema_errors(member, other, f"{where}.{name}")
    return errors


def csv_errors(path, results):
    """Whether the CSV is well-formed and says the same as the JSON."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != CSV_HEADING:
        return [f"{path}: the heading is not {','.join(CSV_HEADING)}"]
    errors, seen = [], {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(CSV_HEADING) or not all(row) or not _is_number(row[4]):
            errors.append(f"{path}:{number}: not a sample")
            continue
        seen[row[0], row[1], row[2], row[3]] = float(row[4])
    wanted = {(str(sample["round"]), sample["cell"], sample["subject"], figure): value
              for sample in results["samples"] for figure, value in sample["figures"].items()}
    if seen.keys() != wanted.keys():
        errors.append(f"{path}: other samples than in the JSON")
    elif any(abs(seen[key] - wanted[key]) > 1e-4 * abs(wanted[key]) for key in seen):
        errors.append(f"{path}: other values than in the JSON")
    return errors


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
