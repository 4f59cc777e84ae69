import type { BackendName } from '../description.js';
import { type WeightType, weightTypes } from '../weight-types.js';

/** An engine that may compute here. */
export interface Backend {
  readonly name: BackendName;
  readonly label: string;
  /** True where a processor imitates the graphics card: slower than WebAssembly. */
  readonly isImitated: boolean;
}

const imitations = /swiftshader|llvmpipe|lavapipe|software|basic render/i;

/** Engines of this browser, the usually fastest first. */
export async function findBackends(): Promise<readonly Backend[]> {
  const found: Backend[] = [];
  const add = (name: BackendName, label: string, renderer: string) =>
    found.push({ name, label, isImitated: imitations.test(renderer) });
  const adapter = 'gpu' in navigator ? await navigator.gpu.requestAdapter().catch(() => null) : null;
  if (adapter) {
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    add(
      'webgpu',
      'WebGPU',
      `${vendor} ${architecture} ${description}${isFallbackAdapter ? ' software' : ''}`,
    );
  }
  const renderer = webglRenderer();
  if (renderer !== undefined) add('webgl', 'WebGL', renderer);
  add('wasm', 'WebAssembly', '');
  return found;
}

/** Name of what renders; nothing where it cannot compute in single precision in a worker. */
function webglRenderer(): string | undefined {
  if (typeof OffscreenCanvas === 'undefined') return undefined;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl?.getExtension('EXT_color_buffer_float')) return undefined;
  const facts = gl.getExtension('WEBGL_debug_renderer_info');
  const name: unknown = gl.getParameter(facts ? facts.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return String(name);
}

const mostHelpers = 8;
/** Memory that the weights of all programs together may take. */
const mostWeightBytes = 2 ** 30;

/** Number of programs that share the work: a graphics card is kept busy by one. */
export function helpersFor(backend: BackendName, weights: ArrayBuffer, type: WeightType): number {
  if (backend !== 'wasm') return 1;
  // Each keeps what the page stores, and the same in float32.
  const each = weights.byteLength * (1 + 4 / weightTypes[type].bytes);
  const byMemory = Math.floor(mostWeightBytes / each);
  return Math.max(1, Math.min(navigator.hardwareConcurrency || 1, mostHelpers, byMemory));
}

/** Bytes of a script of data in base64, which is then removed from the page. */
export function takeBytes(id: string): Uint8Array<ArrayBuffer> {
  const element = document.getElementById(id)!;
  const binary = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export async function unzipped(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}
