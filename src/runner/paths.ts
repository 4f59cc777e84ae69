import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { nearest } from '../base/nearest.js';
import { expandLocation } from '../base/patterns.js';
import { code, type Problem } from './diagnostics.js';
import type { Schema } from './schema/schema.js';
import { changeTexts, isAddress } from './yaml/environment.js';
import type { ScalarTree, Tree } from './yaml/tree.js';

/** A path as a shell would read it, where nothing else does: what to write instead. */
export function shellPath(path: string): Pick<Problem, 'code' | 'message' | 'remedy'> | undefined {
  const [, home, name, rest = ''] =
    /^(?:(~)|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}))(?=\/|$)(.*)/s
      .exec(path)
      ?.flatMap((part, i) => (i === 3 ? [] : [part])) ?? [];
  const variable = home === undefined ? name : 'HOME';
  if (variable === undefined) return undefined;
  return {
    code: 'shell-path',
    message: `Only shells replace ${code(home ?? `$${variable}`)}: ${code(path)} would be looked for beside this file.`,
    remedy: `Write ${code(`\${env:${variable}}${rest}`)}, in quotes within braces. For a folder of that name write ${code(`./${path}`)}.`,
  };
}

/** Paths that are written as for a shell. */
export function shellPaths(tree: Tree, schema: Schema): Problem[] {
  return pathsOf(tree, schema).flatMap(({ scalar }) => {
    const problem = scalar.environment ? undefined : shellPath(String(scalar.value));
    return problem ? [{ ...problem, span: scalar.span }] : [];
  });
}

/** Addresses in the place of paths, where only this machine is read. */
export function addressesAsPaths(tree: Tree, schema: Schema): Problem[] {
  return pathsOf(tree, schema).flatMap(({ scalar, place }) => {
    const path = String(scalar.value);
    if (!isAddress(path) || place.mayBeAddress === true) return [];
    const message = `${code(path)} is an address; only files of this machine are read here.`;
    const remedy = 'Download it, then write the path of the file or folder.';
    return [{ code: 'address-as-path', message, remedy, span: scalar.span }];
  });
}

/** Paths at which there is nothing on this machine, once relative ones start at a folder. */
export function missingPaths(
  tree: Tree,
  schema: Schema,
  directory: string,
): { path: string; problem: Problem }[] {
  return pathsOf(tree, schema).flatMap(({ scalar }) => {
    if (isAddress(String(scalar.value))) return [];
    const [path] = missingAt(resolve(directory, String(scalar.value)));
    if (path === undefined) return [];
    const message = `There is no file or folder ${code(path)}.`;
    return [{ path, problem: { code: 'input-missing', message, remedy: similar(path), span: scalar.span } }];
  });
}

/**
 * Paths into packages of npm as Node finds these: where a path leads through `node_modules` to a package that is not in that
 * folder, it is looked for in those of the folders above.
 */
export function packagePaths(tree: Tree, schema: Schema, directory: string): Tree {
  return changeTexts(tree, schema, (scalar, place) => {
    const [, name, rest = ''] = inPackage.exec(String(scalar.value)) ?? [];
    if (place?.isPath !== true || name === undefined) return scalar;
    const written = resolve(directory, String(scalar.value));
    if (existsSync(written.slice(0, written.length - rest.length))) return scalar;
    for (let at = directory; at !== dirname(at); at = dirname(at)) {
      const found = join(at, 'node_modules', name);
      if (existsSync(found)) return { ...scalar, value: relative(directory, found) + rest };
    }
    return scalar;
  });
}

/** A package's name in a path, and what is behind it. */
const inPackage = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)((?:\/.*)?)$/;

function missingAt(location: string): readonly string[] {
  try {
    return expandLocation(location).missing;
  } catch (error) {
    // Reading the input tells.
    if (error instanceof UserError) return [];
    throw error;
  }
}

function pathsOf(tree: Tree, schema: Schema): readonly { scalar: ScalarTree; place: Schema }[] {
  const paths: { scalar: ScalarTree; place: Schema }[] = [];
  changeTexts(tree, schema, (scalar, place) => {
    if (place?.isPath === true) paths.push({ scalar, place });
    return scalar;
  });
  return paths;
}

/** Suggests the path that was probably meant: a name that is near, beside the last folder of the path that is there. */
function similar(path: string): string {
  const [, name, rest = ''] = inPackage.exec(path) ?? [];
  if (name !== undefined && !existsSync(path.slice(0, path.length - rest.length)))
    return `It is in a package of npm: npm install ${name}`;
  let above = path;
  while (!existsSync(dirname(above))) above = dirname(above);
  const folder = dirname(above);
  const near = nearest(basename(above), namesIn(folder));
  if (near !== undefined) return `Did you mean ${code(join(folder, near))}?`;
  return above === path
    ? `The folder ${code(folder)} is there. Relative paths start at the file that they are written in.`
    : `There is no ${code(above)} either. Relative paths start at the file that they are written in.`;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
