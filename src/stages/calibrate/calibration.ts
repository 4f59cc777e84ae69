import { join } from 'node:path';
import { readInputText } from '../../base/input-file.js';

/** A choice of ratios that no other beats, as predicted from recorded paths and as found by following it. */
export interface CalibratedChoice {
  /** One for each phase but the last. */
  readonly ratios: readonly number[];
  /** Average multiply-accumulates of a sample. */
  readonly cost: number;
  /** Share of multiply-accumulates saved against the largest model alone. */
  readonly saved: number;
  /** Mean absolute difference of normalised latents to those of the largest model, from the same noise. */
  readonly deviation: number;
  readonly predicted: { readonly cost: number; readonly deviation: number };
}

/** `calibration.json` */
export interface Calibration {
  readonly samples: number;
  /** Choices whose costs were predicted. */
  readonly considered: number;
  readonly phases: readonly { readonly stage: string; readonly cost: number; readonly deviation: number }[];
  /** The frontier, cheapest first. */
  readonly choices: readonly CalibratedChoice[];
  /** Place of the choice at which the frontier bends most. */
  readonly knee: number;
}

export const calibrationName = 'calibration.json';

export async function readCalibration(directory: string): Promise<Calibration> {
  return JSON.parse(await readInputText(join(directory, calibrationName))) as Calibration;
}

const size = { width: 640, height: 400, left: 70, right: 20, top: 20, bottom: 60 };
const giga = 1e9;

/** The frontier as an SVG picture: cost of a sample against the deviation from the largest model's. */
export function frontierPicture({ choices, phases, knee }: Calibration): string {
  const points = [...choices, ...phases];
  const mostCost = Math.max(...points.map(({ cost }) => cost));
  const leastCost = Math.min(...points.map(({ cost }) => cost));
  const mostDeviation = Math.max(...points.map(({ deviation }) => deviation), Number.MIN_VALUE);
  const { width, height, left, right, top, bottom } = size;
  const x = (cost: number) =>
    left + ((cost - leastCost) / (mostCost - leastCost || 1)) * (width - left - right);
  const y = (deviation: number) => height - bottom - (deviation / mostDeviation) * (height - top - bottom);
  const line = choices.map(({ cost, deviation }) => `${round(x(cost))},${round(y(deviation))}`).join(' ');
  const marks = choices.map(
    ({ cost, deviation, ratios }, i) =>
      `<circle cx="${round(x(cost))}" cy="${round(y(deviation))}" r="${i === knee ? 6 : 3.5}" fill="#1565c0"><title>${ratios.join(', ')}</title></circle>`,
  );
  const alone = phases.map(
    ({ cost, deviation, stage }) =>
      `<rect x="${round(x(cost) - 4)}" y="${round(y(deviation) - 4)}" width="8" height="8" fill="#888"><title>${escaped(stage)} alone</title></rect>`,
  );
  const labels = [
    text(left, height - bottom + 18, (leastCost / giga).toFixed(1), 'middle'),
    text(width - right, height - bottom + 18, (mostCost / giga).toFixed(1), 'end'),
    text((left + width - right) / 2, height - 16, 'GFLOPs a sample (multiply-accumulates)', 'middle'),
    text(left - 8, y(0) + 4, '0', 'end'),
    text(left - 8, y(mostDeviation) + 4, mostDeviation.toPrecision(2), 'end'),
    `<text transform="translate(18 ${(height - bottom + top) / 2}) rotate(-90)" text-anchor="middle">deviation from the largest model</text>`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="${width}" height="${height}" fill="#fff"/>
<path d="M${left} ${top}V${height - bottom}H${width - right}" fill="none" stroke="#222"/>
<polyline points="${line}" fill="none" stroke="#1565c0"/>
${[...marks, ...alone, ...labels].join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${content}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

const escaped = (value: string): string => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
