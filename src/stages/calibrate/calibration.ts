import { join } from 'node:path';
import { readInputText } from '../../base/input-file.js';
import { roomyScale, round, tickTexts } from '../../pages/chart/axes.js';
import { escapeHtml } from '../../pages/html.js';

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

const size = { width: 640, height: 400, left: 76, right: 24, top: 20, bottom: 60 };
const giga = 1e9;

/**
 * The frontier as an SVG picture: cost of a sample, in the unit of the table of choices, against the deviation from the
 * largest model's.
 */
export function frontierPicture({ choices, phases, knee }: Calibration): string {
  const points = [...choices, ...phases];
  const costs = points.map(({ cost }) => cost / giga);
  const deviations = points.map(({ deviation }) => deviation);
  const across = roomyScale(Math.min(...costs), Math.max(...costs), 6);
  const up = roomyScale(Math.min(...deviations), Math.max(...deviations), 6);
  const { width, height, left, right, top, bottom } = size;
  const x = (cost: number) => round(left + across.place(cost) * (width - left - right));
  const y = (deviation: number) => round(height - bottom - up.place(deviation) * (height - top - bottom));
  const line = choices.map(({ cost, deviation }) => `${x(cost / giga)},${y(deviation)}`).join(' ');
  const marks = choices.map(
    ({ cost, deviation, ratios }, i) =>
      `<circle cx="${x(cost / giga)}" cy="${y(deviation)}" r="${i === knee ? 6 : 3.5}" fill="#1565c0"><title>${ratios.join(', ')}</title></circle>`,
  );
  const alone = phases.flatMap(({ cost, deviation, stage }) => {
    const [at, above] = [x(cost / giga), y(deviation)];
    const isRight = at > width / 2;
    return [
      `<rect x="${round(at - 4)}" y="${round(above - 4)}" width="8" height="8" fill="#777"/>`,
      text(at + (isRight ? 4 : -4), above - 12, `${stage} alone`, isRight ? 'end' : 'start'),
    ];
  });
  const ticks = [
    ...tickTexts(across.ticks).map((label, i) => {
      const at = x(across.ticks[i]!);
      return `<path d="M${at} ${height - bottom}v5" stroke="#222"/>${text(at, height - bottom + 18, label, 'middle')}`;
    }),
    ...tickTexts(up.ticks).map((label, i) => {
      const at = y(up.ticks[i]!);
      return `<path d="M${left} ${at}H${width - right}" stroke="#e2e2dc"/>${text(left - 8, at + 4, label, 'end')}`;
    }),
  ];
  const labels = [
    text((left + width - right) / 2, height - 16, 'GFLOPs a sample (multiply-accumulates)', 'middle'),
    `<text transform="translate(18 ${(height - bottom + top) / 2}) rotate(-90)" text-anchor="middle">deviation from the largest model</text>`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="${width}" height="${height}" fill="#fff"/>
${ticks.join('\n')}
<path d="M${left} ${top}V${height - bottom}H${width - right}" fill="none" stroke="#222"/>
<polyline points="${line}" fill="none" stroke="#1565c0"/>
${[...marks, ...alone, ...labels].join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;
}
