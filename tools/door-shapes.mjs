/**
 * Reads what the functions of an entry of the package take from its types, for the door before it: what a call was given
 * is held to that where the call has failed.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// As CommonJS: TypeScript has no native ES module.
const ts = createRequire(import.meta.url)('typescript');
/** Classes of the language and of Node, told by their names. */
const globals = new Set([
  ...['Float32Array', 'Float64Array', 'Int8Array', 'Int16Array', 'Int32Array', 'Uint8Array', 'Uint16Array'],
  ...['Uint8ClampedArray', 'Uint32Array', 'BigInt64Array', 'BigUint64Array', 'ArrayBuffer'],
  ...['Buffer', 'Date', 'Map', 'Set', 'Promise', 'RegExp', 'URL', 'AbortSignal', 'Error'],
]);

const configuration = fileURLToPath(new URL('../tsconfig.json', import.meta.url));
const { options } = ts.getParsedCommandLineOfConfigFile(configuration, { noEmit: true }, ts.sys);

/**
 * @param entry a declaration file, or a source
 * @returns see `Shapes` in `src/library/shapes.ts`
 */
export function shapesOf(entry) {
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const shapes = [];
  const known = new Map();

  /** The place of a type's shape in the list: types refer to each other, and to themselves. */
  function placeOf(type) {
    const found = known.get(type);
    if (found !== undefined) return found;
    const place = shapes.push(true) - 1;
    known.set(type, place);
    shapes[place] = shapeOf(type);
    return place;
  }

  function shapeOf(type) {
    const is = (flag) => (type.flags & flag) !== 0;
    const { TypeFlags } = ts;
    if (is(TypeFlags.Undefined | TypeFlags.Void)) return 'undefined';
    if (is(TypeFlags.Null)) return 'null';
    if (is(TypeFlags.BooleanLiteral)) return { value: checker.typeToString(type) === 'true' };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { value: type.value };
    if (is(TypeFlags.StringLike)) return 'string';
    if (is(TypeFlags.NumberLike)) return 'number';
    if (is(TypeFlags.BooleanLike)) return 'boolean';
    if (is(TypeFlags.BigIntLike)) return 'bigint';
    if (type.isUnion()) return { oneOf: type.types.map(placeOf) };
    if (is(TypeFlags.NonPrimitive)) return 'object';
    if (is(TypeFlags.Object) || type.isIntersection()) return shapeOfObject(type);
    const constraint = checker.getBaseConstraintOfType(type);
    return constraint === undefined || constraint === type ? true : { oneOf: [placeOf(constraint)] };
  }

  function shapeOfObject(type) {
    if (type.getCallSignatures().length > 0) return 'function';
    if (type.getConstructSignatures().length > 0) return 'function';
    if (checker.isTupleType(type))
      return { tuple: checker.getTypeArguments(type).map(placeOf), least: type.target.minLength };
    if (checker.isArrayType(type)) return { list: placeOf(checker.getTypeArguments(type)[0]) };
    const name = type.symbol?.name;
    if (globals.has(name)) return { is: name };
    const isLanguage = (type.symbol?.declarations ?? []).every(
      (each) => program.isSourceFileDefaultLibrary(each.getSourceFile()) && ts.isInterfaceDeclaration(each),
    );
    if (isLanguage && type.symbol?.declarations !== undefined) return true;
    const properties = checker.getPropertiesOfType(type).filter(isPublic);
    const keys = Object.fromEntries(
      properties.map((each) => [each.name, placeOf(checker.getTypeOfSymbol(each))]),
    );
    const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
    return { keys, ...(index && { others: placeOf(index.type) }) };
  }

  const isPublic = (symbol) =>
    !symbol.name.startsWith('__') &&
    (symbol.declarations ?? []).every(
      (each) =>
        (ts.getCombinedModifierFlags(each) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) === 0 &&
        // Methods of classes come with them.
        !(ts.isMethodDeclaration(each) || ts.isMethodSignature(each)),
    );

  const taken = (signatures) =>
    signatures.map((signature) =>
      signature.getParameters().map((parameter) => {
        const { dotDotDotToken, initializer, questionToken } = parameter.valueDeclaration;
        return {
          name: parameter.name,
          shape: placeOf(checker.getTypeOfSymbol(parameter)),
          ...((initializer ?? questionToken) && { optional: true }),
          ...(dotDotDotToken && { rest: true }),
        };
      }),
    );
  const functions = {};
  const add = (name, signatures) => {
    if (signatures.length > 0) functions[name] = taken(signatures);
  };
  const addMethods = (name, type) => {
    for (const member of checker.getPropertiesOfType(type))
      add(`${name}.${member.name}`, checker.getTypeOfSymbol(member).getCallSignatures());
  };
  for (let symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(source))) {
    const { name } = symbol;
    if (symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
    if ((symbol.flags & ts.SymbolFlags.Value) === 0) continue;
    const type = checker.getTypeOfSymbol(symbol);
    add(name, [...type.getCallSignatures(), ...type.getConstructSignatures()]);
    if (symbol.flags & ts.SymbolFlags.Class) {
      addMethods(name, type);
      addMethods(name, checker.getDeclaredTypeOfSymbol(symbol));
    }
  }
  return { functions, shapes };
}
