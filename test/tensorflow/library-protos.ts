import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor/index.js';
import { locateLibrary } from '../../src/tensorflow/install/locate.js';

/** Fields of a FileDescriptorProto: files that it imports, and what comes last in those of proto3. */
const field = { dependency: 3, syntax: 12 } as const;

/**
 * TensorFlow's own definitions of the messages of a `.proto` file and of all that it imports, as the installed library
 * carries them for reflection: serialized `FileDescriptorProto`s among its constants, which begin with the file's name.
 */
export function libraryProtos(file: string): protobuf.Root {
  const library = readFileSync(locateLibrary()!.framework);
  const found = new Map<string, Uint8Array>();
  const find = (name: string): void => {
    if (found.has(name)) return;
    const start = library.indexOf(Buffer.concat([Buffer.from([10, name.length]), Buffer.from(name)]));
    if (start < 0) throw new Error(`${name} is not in the library.`);
    const reader = protobuf.Reader.create(library.subarray(start));
    const dependencies: string[] = [];
    for (let number = 0; number !== field.syntax;) {
      const tag = reader.uint32();
      number = tag >>> 3;
      if (tag === 0) {
        reader.pos--;
        break;
      }
      if (number === field.dependency) dependencies.push(reader.string());
      else reader.skipType(tag & 7);
    }
    found.set(name, library.subarray(start, start + reader.pos));
    dependencies.forEach(find);
  };
  find(file);
  // A FileDescriptorSet is a list of files, field 1.
  const set = protobuf.Writer.create();
  for (const descriptor of found.values()) set.uint32(10).bytes(descriptor);
  const { Root } = protobuf as unknown as { Root: { fromDescriptor(set: Uint8Array): protobuf.Root } };
  return Root.fromDescriptor(set.finish());
}
