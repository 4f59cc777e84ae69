import { ofWholePipeline, type Schema, stageSchemas } from './schema.js';

/**
 * Schemas for editors: JSON Schema, draft 07, with `enumDescriptions`, `errorMessage` and `patternErrorMessage`, which
 * language servers of YAML and JSON know. Nothing in them refers to another file. They judge files as people write them,
 * before anything is merged and filled in: every value may be a reference (`${…}`), and a file that extends others or
 * chooses options may leave to them what the whole must have, and remove keys with `null`.
 */
type EditorSchema = Readonly<Record<string, unknown>>;

/** Schema of a file that extends others or chooses options, of a group of options, and of a file that is yet empty. */
const part = { $ref: '#/definitions/pipeline' };

const $schema = 'http://json-schema.org/draft-07/schema#';

/** The schema of pipeline files. */
export function editorSchema(pipeline: Schema): EditorSchema {
  return {
    ...{ $schema, description: pipeline.description },
    definitions: { pipeline: new Editor(true).file(pipeline) },
    if: { anyOf: [{ required: ['extends'] }, { required: ['choose'] }, { maxProperties: 0 }] },
    then: part,
    else: new Editor(false).file(ofWholePipeline(pipeline)),
  };
}

/** The schema of one kind of stage. */
export const editorStageSchema = (schema: Schema): EditorSchema => ({
  $schema,
  ...new Editor(false).value(schema),
});

const replaces: EditorSchema = {
  description: 'Replaces the map of the extended files as a whole, in place of merging with it.',
  const: true,
};

/** Start of a reference in a text. */
const reference = '\\$\\{';

/** Greatest square that editors tell from other numbers. */
const largestSide = 64;
const squares = Array.from({ length: largestSide + 1 }, (_, side) => side ** 2);

const words: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
};

class Editor {
  /** @param partial true for a file that extends others: all may be left out, or be `null` */
  constructor(private readonly partial: boolean) {}

  file(pipeline: Schema): EditorSchema {
    const { stages, ...properties } = pipeline.properties!;
    const { additionalProperties, ...ids } = stages!;
    return {
      type: 'object',
      ...this.demanded(pipeline),
      additionalProperties: false,
      properties: {
        ...this.values(properties),
        options: { ...this.value(properties.options!), additionalProperties: part },
        stages: {
          ...this.value(ids),
          additionalProperties: this.stage(pipeline, additionalProperties as Schema),
        },
      },
    };
  }

  /** A stage: `uses` decides on its keys. Where another file may have that key, those of every kind are taken. */
  private stage(pipeline: Schema, { description, properties, allOf }: Schema): EditorSchema {
    const stages = stageSchemas(pipeline);
    const ofKind = (kind: string): Schema[] =>
      stages.flatMap((stage) => (stage.kind === kind ? [stage.schema] : []));
    const kinds = properties!.uses!.enum as string[];
    const sentences = kinds.map((kind) => ofKind(kind).at(-1)!.description!);
    const isOf = (kind: string): Schema => ({
      required: ['uses'],
      properties: { uses: { const: kind } },
    });
    return {
      description,
      type: this.orNull('object'),
      ...(!this.partial && { required: ['uses'] }),
      properties: {
        uses: this.value({ ...properties!.uses!, enumDescriptions: sentences }),
        foreach: this.value(properties!.foreach!),
      },
      allOf: this.partial
        ? [
            ...kinds.map((kind) => ({ if: isOf(kind), then: this.united(ofKind(kind)) })),
            { if: { not: { required: ['uses'] } }, then: this.united(stages.map(({ schema }) => schema)) },
          ]
        : allOf!.map(({ if: condition, then }) => ({ if: condition, then: this.value(explained(then!)) })),
    };
  }

  /** A map with the keys of any of these. */
  private united(schemas: readonly Schema[]): EditorSchema {
    const names = [...new Set(schemas.flatMap(({ properties }) => Object.keys(properties!)))];
    return {
      additionalProperties: false,
      properties: {
        ...Object.fromEntries(
          names.map((name) => {
            const each = schemas.flatMap(({ properties }) => properties![name] ?? []);
            const distinct = [...new Map(each.map((schema) => [JSON.stringify(schema), schema])).values()];
            const values = distinct.map((schema) => this.value(schema));
            return [name, values.length === 1 ? values[0] : { anyOf: values }];
          }),
        ),
        ...{ uses: {}, foreach: {}, $replace: replaces },
      },
    };
  }

  value(schema: Schema): EditorSchema {
    const { description, examples } = schema;
    const about = {
      ...(description !== undefined && { description: describe(description, schema) }),
      ...(schema.default !== undefined && { default: schema.default }),
      ...(examples !== undefined && { examples }),
    };
    if (schema.anyOf)
      return { ...about, anyOf: oneList(schema.anyOf.map((alternative) => this.value(alternative))) };
    return { ...about, ...this.rules(schema) };
  }

  private rules(schema: Schema): EditorSchema {
    // Text is among the types: a reference is one.
    if (Array.isArray(schema.type))
      return { type: this.orNull(...(schema.type as string[])), ...this.scalar(schema) };
    switch (schema.type) {
      case 'object':
        return { type: this.orNull('object', 'string'), ...notText(schema), ...this.map(schema) };
      case 'array':
        return { type: this.orNull('array', 'string'), ...notText(schema), ...list(schema) };
      case 'integer':
      case 'number':
      case 'boolean':
        return { type: this.orNull(schema.type, 'string'), ...notText(schema), ...this.scalar(schema) };
      case 'string':
        return { type: this.orNull('string'), ...this.scalar(schema) };
      default:
        return this.scalar(schema);
    }
  }

  private scalar(schema: Schema): EditorSchema {
    const { enum: values, pattern, patternHint, stageRef, perfectSquare } = schema;
    const kept = [
      'const',
      'minimum',
      'exclusiveMinimum',
      'maximum',
      'exclusiveMaximum',
      'minLength',
      'maxLength',
      'not',
    ];
    return {
      ...pick(schema, kept),
      ...(pattern !== undefined && {
        pattern: `(?:${pattern})|${reference}`,
        patternErrorMessage: `Expected ${patternHint ?? pattern}.`,
      }),
      ...(stageRef !== undefined && {
        pattern: `^[A-Za-z][A-Za-z0-9_-]*$|${reference}`,
        patternErrorMessage: 'Expected the id of a stage.',
      }),
      ...(values !== undefined && {
        if: { type: 'string', pattern: reference },
        else: {
          enum: this.partial ? [...values, null] : values,
          ...(schema.enumDescriptions && { enumDescriptions: schema.enumDescriptions }),
        },
      }),
      ...(perfectSquare === true && {
        if: { type: 'integer', maximum: largestSide ** 2, not: { enum: squares } },
        then: never(`Expected ${patternHint ?? 'a square number'}.`),
      }),
    };
  }

  private map(schema: Schema): EditorSchema {
    const { properties, propertyNames, additionalProperties: others, allOf = [] } = schema;
    const conditions = [schema, ...allOf].flatMap(({ exactlyOneOf }) => exactlyOneOf ?? []);
    return {
      ...this.demanded(schema),
      ...pick(schema, ['minProperties']),
      ...(properties && {
        properties: { ...this.values(properties), ...(this.partial && { $replace: replaces }) },
      }),
      ...(propertyNames && { propertyNames: new Editor(false).scalar(propertyNames) }),
      ...(others !== undefined && {
        additionalProperties: typeof others === 'boolean' ? others : this.value(others),
      }),
      ...(!this.partial &&
        conditions.length > 0 && {
          allOf: [schema, ...allOf].flatMap(({ exactlyOneOf }) =>
            exactlyOneOf ? oneGroup(exactlyOneOf) : [],
          ),
        }),
    };
  }

  private values(properties: Readonly<Record<string, Schema>>): Record<string, EditorSchema> {
    return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, this.value(schema)]));
  }

  private demanded({ required }: Schema): EditorSchema {
    return this.partial || required === undefined ? {} : { required };
  }

  private orNull(...types: string[]): string | string[] {
    const all = this.partial ? [...types, 'null'] : types;
    return all.length === 1 ? all[0]! : all;
  }
}

/** The schema of a kind of stage, with its own sentence for `uses`. */
function explained(stage: Schema): Schema {
  const { description, properties } = stage;
  return {
    ...stage,
    properties: {
      ...properties,
      foreach: {},
      uses: { ...properties!.uses, ...(description !== undefined && { description }) },
    },
  };
}

/** A schema that no value of a key has, with what editors say then. */
const never = (errorMessage: string): EditorSchema => ({ const: null, errorMessage });

/** Alternatives of which one at most is a list: whether there are maps in it decides between two. */
function oneList(alternatives: readonly EditorSchema[]): readonly EditorSchema[] {
  const isList = ({ type }: EditorSchema): boolean => Array.isArray(type) && type.includes('array');
  const ofMaps = ({ items }: EditorSchema): boolean =>
    [(items as EditorSchema | undefined)?.type].flat().includes('object');
  const lists = alternatives.filter(isList);
  if (lists.length < 2) return alternatives;
  const list = {
    if: { type: 'array', contains: { type: 'object' } },
    then: lists.find(ofMaps),
    else: lists.find((each) => !ofMaps(each)),
  };
  return [...alternatives.filter((each) => !isList(each)), { type: lists[0]!.type, ...list }];
}

/** Of text, values that are not text take references only. */
const notText = ({ type }: Schema): EditorSchema => ({
  pattern: reference,
  patternErrorMessage: `Expected ${words[type as string]!}.`,
});

/** A list is replaced as a whole, so that nothing in it may be left out. */
function list(schema: Schema): EditorSchema {
  const whole = new Editor(false);
  const { items } = schema;
  return {
    ...pick(schema, ['minItems', 'maxItems', 'uniqueItems', 'additionalItems']),
    ...(items !== undefined && {
      items: Array.isArray(items)
        ? (items as readonly Schema[]).map((item) => whole.value(item))
        : whole.value(items as Schema),
    }),
  };
}

/** Exactly one of the groups of keys, and all of it. */
function oneGroup(groups: readonly (readonly string[])[]): EditorSchema[] {
  const keys = groups.flat();
  const has = (key: string): EditorSchema => ({ required: [key] });
  const choice = groups.map((group) => group.map((key) => `\`${key}\``).join(', ')).join(' or ');
  const others = (group: readonly string[]): readonly string[] => keys.filter((key) => !group.includes(key));
  return [
    {
      if: { not: { anyOf: keys.map(has) } },
      then: { required: [groups.at(-1)![0]], errorMessage: `Needs ${choice}.` },
    },
    ...groups
      .filter((group) => group.length > 1)
      .map((group) => ({ if: { anyOf: group.map(has) }, then: { required: group } })),
    ...groups.slice(0, -1).map((group) => ({
      if: { anyOf: group.map(has) },
      then: {
        properties: Object.fromEntries(
          others(group).map((key) => [key, never(`Takes either ${choice}, not both.`)]),
        ),
      },
    })),
  ];
}

function pick(schema: Schema, keywords: readonly string[]): EditorSchema {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => keywords.includes(keyword)));
}

/** A value that fits into a sentence. */
const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

/** A description with what our own keywords say. */
function describe(description: string, schema: Schema): string {
  const { unit, patternHint, stageRef, perfectSquare } = schema;
  const facts = [
    unit === undefined ? '' : `Unit: ${unit}.`,
    isPlain(schema.default) ? `Default: ${String(schema.default)}.` : '',
    patternHint === undefined ? '' : `Takes ${patternHint}.`,
    stageRef === undefined
      ? ''
      : stageRef === 'any'
        ? 'Names a stage.'
        : `Names a stage of kind ${stageRef.join(' or ')}.`,
    perfectSquare === true && patternHint === undefined ? 'A square number.' : '',
  ];
  return [description, ...facts].filter((fact) => fact !== '').join(' ');
}
