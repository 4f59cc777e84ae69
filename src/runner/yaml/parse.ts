import { Composer, isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Alias, Document, Node, Pair, Scalar, YAMLError, YAMLMap } from 'yaml';
import { code, type Problem } from '../diagnostics.js';
import { mostLevels, tokensOf, tooDeepAt } from './nesting.js';
import type { SourceText, Span } from './text.js';
import type { Entry, Tree } from './tree.js';

/** Result of parsing: problems, and the tree unless the YAML itself cannot be read. */
export interface Parsed {
  readonly tree: Tree | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Parses one YAML 1.2 document (core schema) with anchors, aliases and merge keys (`<<`).
 *
 * @param start offset of the document in the text: what is before it is no YAML
 */
export function parseYaml(source: SourceText, start = 0): Parsed {
  const span = (from: number, to: number): Span => ({ source, start: start + from, end: start + to });
  const text = source.text.slice(start);
  const tokens = tokensOf(text);
  const deep = tooDeepAt(tokens);
  if (deep !== undefined) return { tree: undefined, problems: [tooDeep(span(deep, deep + 1))] };
  const composer = new Composer({ uniqueKeys: false, logLevel: 'silent' });
  const [document, second] = composer.compose(tokens);
  if (document === undefined) return { tree: undefined, problems: [emptyDocument(span(0, 0))] };
  const syntax = syntaxProblems([...document.errors, ...document.warnings], span);
  if (syntax.length > 0) return { tree: undefined, problems: syntax };
  if (second) {
    const place = second.range[0];
    return { tree: undefined, problems: [severalDocuments(span(place, place + 3))] };
  }
  const converter = new Converter(document, span);
  const tree = document.contents
    ? converter.convert(document.contents)
    : ({ kind: 'scalar', value: null, span: span(0, 0) } as const);
  return { tree, problems: converter.problems };
}

const tooDeep = (span: Span): Problem => ({
  code: 'nested-too-deeply',
  message: `Lists and maps may be nested ${mostLevels} levels deep; here is one more.`,
  remedy: 'Remove the stray brackets, braces or dashes.',
  span,
});

const emptyDocument = (span: Span): Problem => ({
  code: 'empty-file',
  message: 'A pipeline was expected; the file is empty.',
  remedy: 'A pipeline has a `name` and `stages`.',
  span,
});

const severalDocuments = (span: Span): Problem => ({
  code: 'several-documents',
  message: 'A file holds one pipeline; a second YAML document starts here.',
  remedy: 'Put it in a file of its own.',
  span,
});

/** Meanings of the YAML library's errors, where its own words need an explanation. */
const explanations: Readonly<Record<string, Pick<Problem, 'code' | 'message' | 'remedy'>>> = {
  TAB_AS_INDENT: {
    code: 'tab-indentation',
    message: 'YAML is indented with spaces; a tab was found.',
    remedy: 'Replace the tab by spaces.',
  },
  TAG_RESOLVE_FAILED: {
    code: 'unknown-tag',
    message: 'YAML tags are not used in pipelines.',
    remedy: 'Remove the tag.',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    code: 'yaml-syntax',
    message: 'A map cannot start inside a value.',
    remedy: 'Put text that contains ": " in quotes, or check the indentation.',
  },
};

/** One problem a place: what follows at the same place is a consequence. */
function syntaxProblems(errors: readonly YAMLError[], span: (from: number, to: number) => Span): Problem[] {
  const first = new Map(errors.toReversed().map((error) => [error.pos[0], error]));
  const problems = [...first.values()].map((error) => ({ ...explained(error), span: span(...error.pos) }));
  const comment = problems.map(commentInBraces).find((found) => found !== undefined);
  if (comment) return [...problems.filter((problem) => problem.span.start < comment.span.start), comment];
  const unquoted = problems.find(isUnquotedReference)?.span;
  if (!unquoted) return problems;
  const before = problems.filter(({ span: { start } }) => start < unquoted.start);
  return [...before, unquotedReference({ ...unquoted, start: unquoted.start - 1 })];
}

/** A colour without quotes, whose `#` makes a comment of what ends a map in braces or a list in brackets. */
function commentInBraces({ message, span }: Problem): Problem | undefined {
  if (!/in (braces|brackets)/.test(message)) return undefined;
  const before = span.source.text.slice(0, span.end);
  const found = [...before.matchAll(/[:,[]\s+(#[0-9a-f]{3,8})\b/gi)].at(-1);
  if (!found) return undefined;
  const end = found.index + found[0].length;
  return {
    code: 'comment-in-braces',
    message: 'A # after a space starts a comment: the rest of this line is not read.',
    remedy: `Put the value in quotes: '${found[1]!}'.`,
    span: { ...span, start: end - found[1]!.length, end },
  };
}

/** `${…}` in a map in braces or a list in brackets, where a brace has a meaning of its own. */
const isUnquotedReference = ({ span: { source, start } }: Problem): boolean =>
  source.text.slice(start - 1, start + 1) === '${';

const unquotedReference = (span: Span): Problem => ({
  code: 'unquoted-reference',
  message: 'Inside braces or brackets, `${…}` must be in quotes.',
  remedy: "For example: `{ path: '${env:NAME}' }`.",
  span,
});

function explained({ code: reason, message }: YAMLError): Pick<Problem, 'code' | 'message' | 'remedy'> {
  const explanation = explanations[reason];
  if (explanation) return explanation;
  const plainer = message
    .replace('Flow sequence', 'A list in brackets')
    .replace('Flow map', 'A map in braces')
    .replace(' in block collection', '')
    .replace('be sufficiently indented and ', '')
    .replace(/(["'])quote/, '$1 quote')
    .replace(/\.$/, '');
  return { code: 'yaml-syntax', message: `${plainer}.` };
}

/** Turns YAML nodes into trees. Aliases share the tree of their anchor. */
class Converter {
  readonly problems: Problem[] = [];
  private readonly done = new Map<Node, Tree>();
  private readonly open = new Set<Node>();

  constructor(
    private readonly document: Document.Parsed,
    private readonly span: (from: number, to: number) => Span,
  ) {}

  convert(node: Node): Tree {
    if (isAlias(node)) return this.alias(node);
    const known = this.done.get(node);
    if (known) return known;
    this.open.add(node);
    const tree = this.collection(node);
    this.open.delete(node);
    this.done.set(node, tree);
    return tree;
  }

  private collection(node: Node): Tree {
    const span = this.spanOf(node);
    if (isMap(node)) return { kind: 'map', entries: this.entries(node), span };
    if (isSeq(node)) {
      return { kind: 'list', items: node.items.map((item) => this.convert(item as Node)), span };
    }
    return { kind: 'scalar', value: (node as Scalar).value as string | number | boolean | null, span };
  }

  private alias(alias: Alias): Tree {
    const span = this.spanOf(alias);
    const target = alias.resolve(this.document);
    if (target && !this.open.has(target)) return { ...this.convert(target), span };
    this.problems.push(
      target
        ? {
            code: 'circular-alias',
            message: `${code(`*${alias.source}`)} is inside its own anchor.`,
            span,
          }
        : {
            code: 'unknown-anchor',
            message: `${code(`*${alias.source}`)} refers to the anchor ${code(`&${alias.source}`)}, which is not defined above it.`,
            span,
          },
    );
    return { kind: 'scalar', value: null, span };
  }

  private entries(map: YAMLMap): Map<string, Entry> {
    const own = new Map<string, Entry>();
    const inherited = new Map<string, Entry>();
    for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
      const span = this.spanOf(key);
      const tree = value ? this.convert(value) : nothing(span);
      if (isScalar(key) && key.value === '<<' && key.type === 'PLAIN') {
        for (const [name, entry] of this.mergedEntries(tree))
          if (!inherited.has(name)) inherited.set(name, entry);
        continue;
      }
      const name = this.keyName(key, span);
      if (name === undefined) continue;
      const first = own.get(name);
      if (first) this.problems.push(duplicateKey(name, span, first.key));
      else own.set(name, { key: span, value: tree });
    }
    for (const [name, entry] of inherited) if (!own.has(name)) own.set(name, entry);
    return own;
  }

  private keyName(key: Node, span: Span): string | undefined {
    const tree = this.convert(key);
    if (tree.kind === 'scalar') return String(tree.value ?? '');
    this.problems.push({
      code: 'yaml-syntax',
      message: 'A key must be a word; a map or list was found.',
      span,
    });
    return undefined;
  }

  private mergedEntries(tree: Tree): [string, Entry][] {
    if (tree.kind === 'map') return [...tree.entries];
    if (tree.kind === 'list' && tree.items.every(({ kind }) => kind === 'map')) {
      return tree.items.flatMap((item) => this.mergedEntries(item));
    }
    this.problems.push({
      code: 'bad-merge',
      message: '`<<` merges maps; something else was found.',
      remedy: 'Name the anchor of a map, as in `<<: *base`.',
      span: tree.span,
    });
    return [];
  }

  private spanOf(node: Node): Span {
    const [from, to] = node.range!;
    return this.span(from, to);
  }
}

const nothing = (key: Span): Tree => ({
  kind: 'scalar',
  value: null,
  span: { ...key, start: key.end, end: key.end },
});

const duplicateKey = (name: string, span: Span, first: Span): Problem => ({
  code: 'duplicate-key',
  message: `${code(name)} is already a key of this map.`,
  remedy: 'Keep one of the two.',
  span,
  related: [{ message: 'first used here', span: first }],
});
