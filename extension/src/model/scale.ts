/** What a chart computes: scales, round ticks, paths. */

export interface IScale {
  (value: number): number;
  readonly domain: readonly [number, number];
}

/** Return the straight mapping of a domain onto a range; a domain without width maps to its middle. */
export function linear(
  domain: readonly [number, number],
  range: readonly [number, number]
): IScale {
  const width = domain[1] - domain[0];
  const scale = (value: number) =>
    width === 0
      ? (range[0] + range[1]) / 2
      : range[0] + ((value - domain[0]) / width) * (range[1] - range[0]);
  return Object.assign(scale, { domain });
}

/** The smallest and the largest of the values that are there; `[0, 1]` of none. */
export function extent(values: Iterable<number | null | undefined>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value !== null && value !== undefined && Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Widen a domain on both sides by a share of it. */
export function padded(
  [low, high]: readonly [number, number],
  by = 0.08
): [number, number] {
  const room = (high - low) * by || Math.abs(high) * by || 1;
  return [low - room, high + room];
}

/** Round values within a domain, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks([low, high]: readonly [number, number], count = 5): number[] {
  if (!(high > low)) {
    return [low];
  }
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find(size => size * power >= rough * 0.99) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step)) + 1);
  const found: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) {
    found.push(Number((at * step).toFixed(digits)));
  }
  return found;
}

/** An SVG path through points. */
export function pathOf(points: readonly (readonly [number, number])[]): string {
  return points
    .map(([x, y], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join('');
}

/** An SVG path of the area between an upper and a lower line over the same x. */
export function bandOf(
  points: readonly { readonly x: number; readonly low: number; readonly high: number }[]
): string {
  const upper = points.map(({ x, high }) => [x, high] as const);
  const lower = points.map(({ x, low }) => [x, low] as const).reverse();
  return points.length ? `${pathOf([...upper, ...lower])}Z` : '';
}

/** An SVG path of steps: each share between its two edges, down to a base line. */
export function stepsOf(
  edges: readonly number[],
  heights: readonly number[],
  base: number
): string {
  const points: [number, number][] = [[edges[0], base]];
  heights.forEach((height, index) => {
    points.push([edges[index], height], [edges[index + 1], height]);
  });
  points.push([edges[edges.length - 1], base]);
  return edges.length > 1 ? pathOf(points) : '';
}
