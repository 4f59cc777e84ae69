import { UserError } from '../base/errors.js';
import { counted } from '../base/format.js';
import type { StateDict, StoredTensor, TensorGroup, WeightsFile } from '../formats/weights-file.js';

/** Marks by which to know a model's tensors among others, whatever stands before their names. */
export interface ModelLayout {
  /** Name of the model in messages: `a SiT`. */
  readonly what: string;
  /** Matches the beginning of every name of its state dict. */
  readonly roots: RegExp;
  /** A dictionary that has one of these names holds the model. */
  readonly anchors: readonly string[];
  /** Names that may stand beside the model under the same prefix, and are left out. */
  readonly leftOut?: RegExp;
  /** Matches names that are of averages of the model, where a file may hold those of others; absent, all are its own. */
  readonly averaged?: RegExp;
  /** The name of what is computed from the model's sizes, and may be missing from a set. */
  readonly computed?: string;
  /** Names of its parameters in the order in which optimizers and lists of averages number them. */
  readonly order?: (state: StateDict) => readonly (readonly string[])[];
}

/** A dictionary of tensors that fits a model. */
interface FoundSet {
  /** Keys and prefix that lead to it, joined by dots; empty at the top of a file. */
  readonly key: string;
  readonly state: StateDict;
  /** Members in the place of tensors that cannot be read. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Names that stand under the same prefix and are no weights of the model. */
  readonly leftOut: readonly string[];
}

/** The weights of a model that a file gives. One set stands for both where it has one only. */
export interface ChosenSets {
  readonly raw: StateDict;
  readonly ema: StateDict;
  /** Sentences that say what was taken for what, and what was left out. */
  readonly told: readonly string[];
  /** Names that stand among the tensors and are no part of the model. */
  readonly leftOut: readonly string[];
  readonly unreadable: ReadonlyMap<string, string>;
}

/**
 * Takes the weights and their moving average from whatever dictionaries of tensors fit a model, under any key.
 *
 * @param keys where the user says which: one that stands for both, or the weights and then their average
 * @returns nothing where no dictionary fits
 * @throws UserError `weights-ambiguous` where several fit; `weights-contradiction` where what is asked for is not there
 */
export function chooseSets(
  file: WeightsFile,
  layout: ModelLayout,
  keys: readonly string[] = [],
  only: 'all' | 'raw' | 'ema' = 'all',
): ChosenSets | undefined {
  const found = file.groups.filter(({ key }) => !isOptimizer(key)).flatMap((group) => setsIn(group, layout));
  if (found.length === 0) return undefined;
  const derived = averagesInOtherForms(file, found, layout);
  const fitting = [...found, ...derived];
  const all = withoutRepeated(fitting);
  const [raw, ema] = keys.length > 0 ? byKeys(file, all, keys) : byRole(file, all, only);
  if (keys.length === 0) everyAverageIsRead(file, fitting, raw ?? ema!, only, layout.averaged);
  const sets = [...new Set([raw ?? ema!, ema ?? raw!])];
  return {
    raw: (raw ?? ema!).state,
    ema: (ema ?? raw!).state,
    told: toldOf(file, raw, ema, all),
    leftOut: sets.flatMap(({ leftOut }) => leftOut),
    unreadable: new Map(sets.flatMap(({ unreadable }) => [...unreadable])),
  };
}

/** The error of a file in which no dictionary fits. */
export function withoutWeights({ path, groups, facts, unknown }: WeightsFile, what: string): UserError {
  const keys = Object.keys(facts);
  const names = groups.flatMap(({ key, tensors }) =>
    [...tensors.keys()].map((name) => (key === '' ? name : `${key}.${name}`)),
  );
  const some = (list: readonly string[]) =>
    list.slice(0, 12).join(', ') + (list.length > 12 ? `, and ${list.length - 12} more` : '');
  const found =
    names.length > 0
      ? `found the tensors ${some(names)}`
      : keys.length > 0
        ? `found the keys ${some(keys)}`
        : 'found none';
  const isCode = names.length === 0 && unknown.length > 0;
  return new UserError({
    code: isCode ? 'checkpoint-unknown-global' : 'checkpoint-without-weights',
    message: `${path}: expected a dictionary with the tensors of ${what}, ${found}${unknown.length > 0 ? `; it also refers to ${some(unknown)}, of which nothing is executed` : ''}.`,
    remedy: isCode
      ? 'Tensors, numbers, text and options are read; code never is. In PyTorch, save only the state dictionaries: torch.save({"model": model.state_dict()}, path).'
      : `Name a file with the weights of ${what}, such as torch.save({"model": model.state_dict()}, path) writes.`,
  });
}

/** Parts that wrappers put into names: parallel and sharded training, compilation, checkpointing of activations, averaging. */
const wrappers =
  /(^|\.)(?:(?:module|_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module|_forward_module|_dpp_module)\.)+/g;

const unwrapped = (name: string): string => name.replace(wrappers, '$1');

/** Every prefix in a group under which a model stands. */
function setsIn(group: TensorGroup, { roots, anchors, leftOut }: ModelLayout): FoundSet[] {
  if (group.isList) return [];
  const names = new Map(
    [...group.tensors.keys(), ...group.unreadable.keys()].map((name) => [name, unwrapped(name)]),
  );
  const prefixes = [...new Set(names.values())]
    .flatMap((name) => {
      const anchor = anchors.find((each) => name === each || name.endsWith(`.${each}`));
      return anchor === undefined ? [] : [name.slice(0, name.length - anchor.length)];
    })
    .filter((prefix, i, all) => all.indexOf(prefix) === i)
    .sort((a, b) => b.length - a.length);
  const taken = new Set<string>();
  return prefixes.map((prefix): FoundSet => {
    const state = new Map<string, StoredTensor>();
    const unreadable = new Map<string, string>();
    const beside: string[] = [];
    for (const [name, plain] of names) {
      if (taken.has(name) || !plain.startsWith(prefix)) continue;
      taken.add(name);
      const rest = plain.slice(prefix.length);
      const tensor = group.tensors.get(name);
      const isCounter = tensor !== undefined && (!tensor.isFloating || tensor.shape.length === 0);
      if (
        leftOut?.test(rest) === true ||
        (isCounter && !roots.test(rest)) ||
        (tensor === undefined && !roots.test(rest))
      )
        beside.push(rest);
      else if (tensor === undefined) unreadable.set(rest, group.unreadable.get(name)!);
      else state.set(rest, tensor);
    }
    const key = joined(group.key, prefix.slice(0, -1));
    return { key, state, unreadable, leftOut: beside };
  });
}

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('.');

/** Words of a key: `modelEMA_0.9999` is of `model`, `ema`. */
const wordsOf = (text: string): string[] =>
  text
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');

/** Tells an optimizer's state, which is no set of weights. */
const isOptimizer = (key: string): boolean =>
  /exp_avg|momentum_buffer/.test(key) ||
  wordsOf(key).some((word) => /^(opt|optim|optimizers?|optimizer|grads?|gradients?)$/.test(word));

const averageWord =
  /^(?:(?:net|model|student|generator|unet|dit|sit|g)?emas?(?:net|model|weights|params|state|dict)?|averages?|averaged|avg|shadow|swa|polyak)$/;
const plainWord = /^(online|raw|last|student)$/;

/** Tells whether a key is that of a moving average: its last part that says so decides. */
function isAverage(key: string): boolean {
  for (const part of key.split('.').reverse()) {
    const words = wordsOf(part);
    if (words.some((word) => plainWord.test(word))) return false;
    if (words.some((word) => averageWord.test(word))) return true;
  }
  return false;
}

/** Drops sets that are the tensors of another set under a second key. */
function withoutRepeated(sets: readonly FoundSet[]): FoundSet[] {
  const identity = ({ state }: FoundSet) =>
    [...state]
      .map(([name, tensor]) => `${name} ${tensor.identity}`)
      .sort()
      .join('\n');
  const seen = new Set<string>();
  return sets.filter((set) => {
    const own = identity(set);
    return !seen.has(own) && seen.add(own);
  });
}

/**
 * Averages that stand in a file in another form than the model: a list of tensors in the order of its parameters, as
 * `torch_ema` and diffusers keep them, or names without dots, as the code of latent diffusion does.
 */
function averagesInOtherForms(
  { groups }: WeightsFile,
  found: readonly FoundSet[],
  layout: ModelLayout,
): FoundSet[] {
  const model = found.find(({ key }) => !isAverage(key));
  if (model === undefined) return [];
  const fits = (name: string, tensor: StoredTensor | undefined) =>
    tensor !== undefined && String(tensor.shape) === String(model.state.get(name)?.shape);
  const make = (key: string, averaged: readonly (readonly [string, StoredTensor])[]): FoundSet[] => {
    const state: StateDict = new Map(averaged);
    const isWhole = [...model.state.keys()].every((name) => state.has(name) || name === layout.computed);
    return isWhole ? [{ key, state, unreadable: new Map(), leftOut: [] }] : [];
  };
  return groups
    .filter(({ key }) => !isOptimizer(key))
    .flatMap((group): FoundSet[] => {
      if (group.isList) {
        const tensors = [...group.tensors.values()];
        const order = layout
          .order?.(model.state)
          .find(
            (names) => names.length === tensors.length && names.every((name, i) => fits(name, tensors[i])),
          );
        return order === undefined
          ? []
          : make(
              group.key,
              order.map((name, i) => [name, tensors[i]!]),
            );
      }
      const dotless = (name: string) => name.replaceAll('.', '');
      const first = dotless(layout.anchors[0]!);
      return [...group.tensors.keys()]
        .filter((name) => name.endsWith(first))
        .flatMap((name) => {
          const prefix = name.slice(0, name.length - first.length);
          const averaged = [...model.state.keys()].flatMap((each) => {
            const tensor = group.tensors.get(prefix + dotless(each));
            return fits(each, tensor) ? [[each, tensor!] as const] : [];
          });
          return make(joined(group.key, prefix.replace(/\.$/, '')), averaged);
        });
    });
}

type Chosen = readonly [raw: FoundSet | undefined, ema: FoundSet | undefined];

function byKeys(file: WeightsFile, all: readonly FoundSet[], keys: readonly string[]): Chosen {
  const sets = keys.map((key) => {
    const exact = all.filter((set) => set.key === key);
    const under = exact.length > 0 ? exact : all.filter((set) => set.key.startsWith(`${key}.`));
    if (under.length === 1) return under[0]!;
    if (under.length > 1) throw ambiguous(file, under, 'sets of weights');
    throw new UserError({
      code: 'weights-contradiction',
      message: `${file.path}: \`key: ${key}\` is asked for, which is none of the sets of weights in it: ${namesOf(all)}.`,
      remedy: 'Name one of these, or leave the key out.',
    });
  });
  return [sets[0], sets[1] ?? sets[0]];
}

function byRole(file: WeightsFile, all: readonly FoundSet[], only: 'all' | 'raw' | 'ema'): Chosen {
  const averages = all.filter(({ key }) => isAverage(key));
  const weights = all.filter(({ key }) => !isAverage(key));
  const one = (sets: readonly FoundSet[], what: string): FoundSet | undefined => {
    if (sets.length > 1) throw ambiguous(file, sets, what);
    return sets[0];
  };
  if (only === 'all') return [one(weights, 'sets of weights'), one(averages, 'moving averages')];
  const chosen = only === 'raw' ? one(weights, 'sets of weights') : one(averages, 'moving averages');
  if (chosen !== undefined) return [chosen, chosen];
  throw new UserError({
    code: 'weights-contradiction',
    message: `${file.path}: \`weights: ${only}\` is asked for, the file has only ${namesOf(all)}.`,
    remedy: 'Leave out what the file tells by itself, or use the file that was meant.',
  });
}

const nameOf = ({ key }: FoundSet): string => (key === '' ? 'the top of the file' : `\`${key}\``);
const namesOf = (sets: readonly FoundSet[]): string => sets.map(nameOf).join(', ');

function ambiguous({ path }: WeightsFile, sets: readonly FoundSet[], what: string): UserError {
  const keys = sets.map(({ key }) => key).filter((key) => key !== '');
  return new UserError({
    code: 'weights-ambiguous',
    message: `${path}: ${sets.length} ${what} fit: ${namesOf(sets)}.`,
    remedy: `Say which: \`key: ${keys[0]!}\` in a pipeline, \`--key ${keys[0]!}\` in a command; two, the weights and then their average, as \`key: [A, B]\` or \`--key A B\`.`,
  });
}

/** An average that does not fit must not be passed over: the last weights would be taken for it. */
function everyAverageIsRead(
  file: WeightsFile,
  all: readonly FoundSet[],
  model: FoundSet,
  only: 'all' | 'raw' | 'ema',
  averaged = /^/,
): void {
  if (only === 'raw' || all.some(({ key }) => isAverage(key))) return;
  for (const { key, tensors } of file.groups) {
    if (isOptimizer(key)) continue;
    const members = [...tensors].filter(([name]) => {
      const full = joined(key, unwrapped(name).split('.').slice(0, -1).join('.'));
      return averaged.test(name) && isAverage(full === '' ? name : full);
    });
    const count = members.filter(([, tensor]) => tensor.isFloating && tensor.shape.length > 0).length;
    if (count * 2 < model.state.size) continue;
    throw new UserError({
      code: 'weights-ambiguous',
      message: `${file.path}: ${counted(count, 'tensor')} under \`${key === '' ? members[0]![0] : key}\` seem to be a moving average, and do not fit the model of ${nameOf(model)}.`,
      remedy: `To use the weights without it, write \`weights: raw\`${model.key === '' ? '' : ` or \`key: ${model.key}\``}; in a command \`--weights raw\`.`,
    });
  }
}

function toldOf(
  { unknown }: WeightsFile,
  raw: FoundSet | undefined,
  ema: FoundSet | undefined,
  all: readonly FoundSet[],
): string[] {
  const told: string[] = [];
  const used = [...new Set([raw, ema].flatMap((set) => set ?? []))];
  if (used.length === 2) told.push(`Weights: ${nameOf(raw!)}; their moving average: ${nameOf(ema!)}.`);
  else if (used[0]!.key !== '')
    told.push(`Weights and their moving average: ${nameOf(used[0]!)}, the only set that is used.`);
  const others = all.filter((set) => !used.includes(set));
  if (others.length > 0) told.push(`Not used: ${namesOf(others)}.`);
  const leftOut = [...new Set(used.flatMap((set) => set.leftOut))];
  if (leftOut.length > 0) told.push(`Left out, as no part of the model: ${listed(leftOut)}.`);
  if (unknown.length > 0)
    told.push(`Passed over, as of unknown classes: ${listed(unknown)}. Nothing of them was executed.`);
  return told;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(', ');
  return names.length > 6 ? `${shown}, and ${names.length - 6} more` : shown;
}
