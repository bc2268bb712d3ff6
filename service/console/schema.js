// JSON Schema as far as the API's own description uses it: forms are checked by the schema that the service checks by.

/** The schema that a $ref, or an optional value's anyOf, stands for. */
export function resolve(schema, root) {
  if (schema.$ref)
    return resolve(
      schema.$ref
        .slice(2)
        .split("/")
        .reduce((at, name) => at[name], root),
      root,
    );
  const options = schema.anyOf?.filter((option) => option.type !== "null");
  if (options?.length === 1) return { ...schema, anyOf: undefined, ...resolve(options[0], root) };
  return schema;
}

/** The variants of a request body: one schema for each source of an order. */
export function variants(body, root) {
  const schema = resolve(body.content["application/json"].schema, root);
  return (schema.anyOf ?? schema.oneOf ?? [schema]).map((option) => resolve(option, root));
}

/** What is wrong with a value, in words; null when nothing is. */
export function problem(value, given, root) {
  const schema = resolve(given, root);
  if (schema.anyOf) {
    const found = schema.anyOf.map((option) => problem(value, option, root));
    return found.includes(null) ? null : found[0];
  }
  if (schema.const !== undefined && value !== schema.const) return `must be ${schema.const}`;
  if (schema.enum && !schema.enum.includes(value))
    return `must be one of ${schema.enum.join(", ")}`;
  const check = CHECKS[schema.type];
  return check ? check(value, schema, root) : null;
}

const CHECKS = {
  integer: (value, schema) =>
    typeof value === "bigint" || Number.isInteger(value)
      ? range(value, schema)
      : "must be a whole number",
  number: (value, schema) => (Number.isFinite(value) ? range(value, schema) : "must be a number"),
  string: text,
  boolean: (value) => (typeof value === "boolean" ? null : "must be yes or no"),
  array: (value, schema, root) => {
    if (!Array.isArray(value)) return "must be a list";
    if (value.length < (schema.minItems ?? 0)) return `needs at least ${schema.minItems}`;
    if (value.length > (schema.maxItems ?? Infinity)) return `may have at most ${schema.maxItems}`;
    return first(value, (item) => schema.items && problem(item, schema.items, root));
  },
  object: (value, schema, root) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return 'must be an object, e.g. {"a": 1}';
    if (Object.keys(value).length > (schema.maxProperties ?? Infinity))
      return `may have at most ${schema.maxProperties}`;
    const missing = (schema.required ?? []).find((name) => !(name in value));
    if (missing) return `${missing} is missing`;
    return first(Object.entries(value), ([name, inner]) => {
      const unfit =
        schema.propertyNames && problem(name, { type: "string", ...schema.propertyNames }, root);
      if (unfit) return `the name ${name || "(empty)"} ${unfit}`;
      const pattern = Object.keys(schema.patternProperties ?? {}).find((key) =>
        new RegExp(key, "u").test(name),
      );
      const rule =
        schema.properties?.[name] ??
        schema.patternProperties?.[pattern] ??
        schema.additionalProperties;
      const wrong = rule && rule !== true && problem(inner, rule, root);
      return wrong ? `${name} ${wrong}` : null;
    });
  },
};

function range(value, { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }) {
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`;
  if (maximum !== undefined && value > maximum) return `must be at most ${maximum}`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return `must be more than ${exclusiveMinimum}`;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return `must be less than ${exclusiveMaximum}`;
  if (multipleOf && Number(value) % multipleOf !== 0) return `must be a multiple of ${multipleOf}`;
  return null;
}

function text(value, { minLength = 0, maxLength = Infinity, pattern }) {
  if (typeof value !== "string") return "must be text";
  if (value.length < minLength) return "must not be empty";
  if (value.length > maxLength) return `may have at most ${maxLength} characters`;
  if (pattern && !new RegExp(pattern, "u").test(value)) return `does not fit ${pattern}`;
  return null;
}

function first(items, check) {
  for (const item of items) {
    const wrong = check(item);
    if (wrong) return wrong;
  }
  return null;
}
