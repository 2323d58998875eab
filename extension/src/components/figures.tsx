/** Metrics with their intervals, and differences of two: as text, with a small picture of it. */

import type { Difference, Metric } from '../api';
import { linear } from '../model/scale';
import type { Trans } from '../tokens';
import { useTrans } from './context';
import { Mark } from './status';

const WIDTH = 72;

/** Four significant digits: what an interval of a metric ever supports. */
export function rounded(value: number): string {
  return plain(value, 4);
}

/** Shares keep their last zeros, so that figures below one another line up. */
function plain(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  const size = Math.abs(value);
  return size < 1 && size >= 1e-4 ? text : String(Number(text));
}

/** `0.7475 to 0.8192`; empty without an interval. */
export function intervalText(
  metric: { low: number | null; high: number | null },
  trans: Trans
): string {
  return metric.low === null || metric.high === null
    ? ''
    : trans.__('%1 to %2', rounded(metric.low), rounded(metric.high));
}

/** A metric's value, with its interval drawn within `domain` where one is given. */
export function MetricFigure(props: {
  metric: Metric | null | undefined;
  domain?: readonly [number, number];
  /** Write the interval out. */
  wordy?: boolean;
}): JSX.Element {
  const trans = useTrans();
  const { metric, domain } = props;
  if (!metric) {
    return <span className="mn-quiet">{trans.__('none')}</span>;
  }
  const interval = intervalText(metric, trans);
  return (
    <span
      className="mn-Figure"
      title={interval ? trans.__('95% interval: %1', interval) : undefined}
    >
      <span className="mn-number">{rounded(metric.value)}</span>
      {domain && <Whisker {...metric} domain={domain} />}
      {interval &&
        (props.wordy ? (
          <span className="mn-quiet mn-number">{interval}</span>
        ) : (
          <span className="mn-hidden">{interval}</span>
        ))}
    </span>
  );
}

function Whisker(props: {
  value: number;
  low: number | null;
  high: number | null;
  domain: readonly [number, number];
  zero?: boolean;
  className?: string;
}): JSX.Element {
  const x = linear(props.domain, [4, WIDTH - 4]);
  return (
    <svg
      className={`mn-Whisker ${props.className ?? ''}`}
      width={WIDTH}
      height="12"
      aria-hidden="true"
    >
      <line className="mn-Whisker-base" x1="0" x2={WIDTH} y1="6" y2="6" />
      {props.zero && (
        <line className="mn-Whisker-zero" x1={x(0)} x2={x(0)} y1="0" y2="12" />
      )}
      {props.low !== null && props.high !== null && (
        <line
          className="mn-Whisker-range"
          x1={x(props.low)}
          x2={x(props.high)}
          y1="6"
          y2="6"
        />
      )}
      <circle cx={x(props.value)} cy="6" r="3.5" />
    </svg>
  );
}

/** What a paired difference says: better, worse, or neither beyond chance. */
export function verdictOf(difference: { low: number; high: number }): -1 | 0 | 1 {
  return difference.low > 0 ? 1 : difference.high < 0 ? -1 : 0;
}

/** A paired difference, above zero where the right one is better, with its interval and a verdict. */
export function DifferenceFigure(props: {
  difference: Difference | null;
  domain: readonly [number, number];
}): JSX.Element {
  const trans = useTrans();
  const { difference } = props;
  if (!difference) {
    return <span className="mn-quiet">{trans.__('not comparable')}</span>;
  }
  const verdict = verdictOf(difference);
  return (
    <span
      className="mn-Figure"
      title={trans.__(
        '%1 to %2, on %3 rows that both were scored on',
        signed(difference.low),
        signed(difference.high),
        difference.n.toLocaleString()
      )}
    >
      <span className="mn-number mn-mod-signed">{signed(difference.difference)}</span>
      <Whisker
        value={difference.difference}
        low={difference.low}
        high={difference.high}
        domain={props.domain}
        zero
        className={verdict > 0 ? 'mn-tone-good' : verdict < 0 ? 'mn-tone-bad' : ''}
      />
      <Verdict verdict={verdict} />
    </span>
  );
}

export function Verdict(props: { verdict: -1 | 0 | 1 }): JSX.Element {
  const trans = useTrans();
  return props.verdict > 0 ? (
    <Mark glyph="done" tone="good">
      {trans.__('better')}
    </Mark>
  ) : props.verdict < 0 ? (
    <Mark glyph="failed" tone="bad">
      {trans.__('worse')}
    </Mark>
  ) : (
    <Mark glyph="skipped" tone="calm">
      {trans.__('no clear difference')}
    </Mark>
  );
}

/** With a sign, and with three significant digits. */
export function signed(value: number): string {
  const text = plain(Math.abs(value), 3);
  return `${value < 0 ? '−' : '+'}${text}`;
}

/** A domain around zero that holds all of these differences. */
export function aroundZero(
  differences: Iterable<{ low: number; high: number } | null>
): [number, number] {
  let most = 0;
  for (const one of differences) {
    most = Math.max(most, Math.abs(one?.low ?? 0), Math.abs(one?.high ?? 0));
  }
  return [-(most || 1), most || 1];
}

/** `9.5 MB`. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(4, size > 0 ? Math.floor(Math.log10(size) / 3) : 0);
  return `${Number((size / 1000 ** step).toPrecision(3))} ${units[step]}`;
}
