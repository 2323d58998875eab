/** Line charts as plain SVG in JupyterLab's colours; what they show is said in words beside them. */

import { useEffect, useRef, useState, type RefObject } from 'react';
import { bandOf, extent, linear, padded, pathOf, stepsOf, ticks } from '../model/scale';
import { figure } from './format';

/** Which of the things compared: the one asked about, what it is held against, and a further one. */
export type SeriesRole = 'now' | 'then' | 'expected';

export interface IPoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number | null;
  readonly high?: number | null;
  /** Said of the point where someone hovers. */
  readonly title?: string;
}

export interface ISeries {
  readonly name: string;
  readonly role: SeriesRole;
  readonly points: readonly IPoint[];
  readonly dashed?: boolean;
  readonly dots?: boolean;
}

const MARGIN = { top: 10, right: 12, bottom: 34, left: 48 };

/** Return an element's width in pixels, anew when it changes. */
export function useWidth<E extends Element>(start: number): [RefObject<E>, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(start);
  useEffect(() => {
    const observer = new ResizeObserver(entries => {
      const found = entries[0]?.contentRect.width;
      if (found) {
        setWidth(Math.round(found));
      }
    });
    if (ref.current) {
      observer.observe(ref.current);
    }
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Lines with their intervals over a common axis. */
export function LineChart(props: {
  /** What the picture shows, in a sentence. */
  label: string;
  series: readonly ISeries[];
  height?: number;
  xLabel?: string;
  xDomain?: readonly [number, number];
  yDomain?: readonly [number, number];
  /** Names of places on the x axis; numbers where left out. */
  xTicks?: readonly { readonly at: number; readonly text: string }[];
  /** Draw the line on which x equals y. */
  diagonal?: boolean;
  /** A place on the x axis that is chosen. */
  mark?: number | null;
  legend?: boolean;
}): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>(420);
  const height = props.height ?? 220;
  const points = props.series.flatMap(one => one.points);
  const xDomain = props.xDomain ?? extent(points.map(point => point.x));
  const yDomain =
    props.yDomain ??
    padded(extent(points.flatMap(point => [point.y, point.low, point.high])), 0.1);
  const x = linear(xDomain, [MARGIN.left, width - MARGIN.right]);
  const y = linear(yDomain, [height - MARGIN.bottom, MARGIN.top]);
  const xTicks =
    props.xTicks ??
    ticks(xDomain, Math.max(2, width / 90)).map(at => ({ at, text: figure(at) }));
  const room = (width - MARGIN.left - MARGIN.right) / Math.max(1, xTicks.length);
  const every = Math.max(1, Math.ceil(58 / Math.max(1, room)));
  return (
    <figure className="mn-Chart" ref={ref as never}>
      <svg width={width} height={height} role="img" aria-label={props.label}>
        {ticks(yDomain, height / 45).map(at => (
          <g key={at}>
            <line
              className="mn-Chart-grid"
              x1={MARGIN.left}
              x2={width - MARGIN.right}
              y1={y(at)}
              y2={y(at)}
            />
            <text x={MARGIN.left - 6} y={y(at)} dy="0.32em" textAnchor="end">
              {figure(at)}
            </text>
          </g>
        ))}
        {xTicks.map(
          ({ at, text }, index) =>
            index % every === 0 && (
              <text
                key={text}
                x={x(at)}
                y={height - MARGIN.bottom + 15}
                textAnchor="middle"
              >
                {text}
              </text>
            )
        )}
        {props.xLabel && (
          <text
            className="mn-Chart-label"
            x={(MARGIN.left + width - MARGIN.right) / 2}
            y={height - 3}
            textAnchor="middle"
          >
            {props.xLabel}
          </text>
        )}
        {props.mark !== null && props.mark !== undefined && (
          <line
            className="mn-Chart-mark"
            x1={x(props.mark)}
            x2={x(props.mark)}
            y1={MARGIN.top}
            y2={height - MARGIN.bottom}
          />
        )}
        {props.diagonal && (
          <line
            className="mn-Chart-diagonal"
            x1={x(xDomain[0])}
            y1={y(xDomain[0])}
            x2={x(xDomain[1])}
            y2={y(xDomain[1])}
          />
        )}
        {props.series.map(one => (
          <Series key={one.name} series={one} x={x} y={y} />
        ))}
      </svg>
      {props.legend !== false && props.series.length > 1 && (
        <Legend entries={props.series} />
      )}
    </figure>
  );
}

function Series(props: {
  series: ISeries;
  x: (value: number) => number;
  y: (value: number) => number;
}): JSX.Element {
  const { series, x, y } = props;
  const band = series.points
    .filter(point => point.low != null && point.high != null)
    .map(point => ({ x: x(point.x), low: y(point.low!), high: y(point.high!) }));
  return (
    <g className={`mn-Series mn-role-${series.role}`}>
      {band.length > 1 && <path className="mn-Series-band" d={bandOf(band)} />}
      {band.length > 0 &&
        series.dots &&
        band.map(({ x: at, low, high }) => (
          <line key={at} className="mn-Series-whisker" x1={at} x2={at} y1={low} y2={high} />
        ))}
      <path
        className={`mn-Series-line ${series.dashed ? 'mn-mod-dashed' : ''}`}
        d={pathOf(series.points.map(point => [x(point.x), y(point.y)]))}
      />
      {(series.dots || series.points.length === 1) &&
        series.points.map(point => (
          <circle
            key={point.x}
            className="mn-Series-dot"
            cx={x(point.x)}
            cy={y(point.y)}
            r={3}
          >
            {point.title && <title>{point.title}</title>}
          </circle>
        ))}
    </g>
  );
}

/** Two distributions over each other, as steps between the same edges. */
export function Overlay(props: {
  label: string;
  edges: readonly number[];
  reference: readonly number[];
  current: readonly number[];
  names: readonly [string, string];
}): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>(340);
  const height = 180;
  const domain = extent(props.edges);
  const top = Math.max(...props.reference, ...props.current, 0) * 1.05 || 1;
  const x = linear(domain, [MARGIN.left, width - MARGIN.right]);
  const y = linear([0, top], [height - 24, MARGIN.top]);
  const edges = props.edges.map(x);
  return (
    <figure className="mn-Chart" ref={ref as never}>
      <svg width={width} height={height} role="img" aria-label={props.label}>
        {ticks([0, top], 4).map(at => (
          <g key={at}>
            <line
              className="mn-Chart-grid"
              x1={MARGIN.left}
              x2={width - MARGIN.right}
              y1={y(at)}
              y2={y(at)}
            />
            <text x={MARGIN.left - 6} y={y(at)} dy="0.32em" textAnchor="end">
              {percent(at)}
            </text>
          </g>
        ))}
        {ticks(domain, 5).map(at => (
          <text key={at} x={x(at)} y={height - 8} textAnchor="middle">
            {figure(at)}
          </text>
        ))}
        {(['reference', 'current'] as const).map(side => (
          <path
            key={side}
            className={`mn-Steps mn-role-${side === 'current' ? 'now' : 'then'}`}
            d={stepsOf(edges, props[side].map(y), y(0))}
          />
        ))}
      </svg>
      <Legend
        entries={[
          { name: props.names[0], role: 'then' },
          { name: props.names[1], role: 'now' }
        ]}
      />
    </figure>
  );
}

export function Legend(props: {
  entries: readonly { name: string; role: SeriesRole; dashed?: boolean }[];
}): JSX.Element {
  return (
    <figcaption className="mn-Legend">
      {props.entries.map(({ name, role, dashed }) => (
        <span key={name}>
          <svg width="18" height="8" aria-hidden="true" className={`mn-role-${role}`}>
            <line
              className={`mn-Series-line ${dashed ? 'mn-mod-dashed' : ''}`}
              x1="0"
              x2="18"
              y1="4"
              y2="4"
            />
          </svg>
          {name}
        </span>
      ))}
    </figcaption>
  );
}

/** A share as a percentage with as many digits as it needs. */
export function percent(share: number): string {
  return `${figure(Number((share * 100).toPrecision(3)))}%`;
}
