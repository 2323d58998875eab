/** What a gate's answer rests on: figures, slices, a calibration curve, differences, or a plain table. */

import type { Difference, GateResult, Metric } from '../api';
import { LineChart } from '../components/chart';
import { useTrans } from '../components/context';
import {
  aroundZero,
  bytes,
  DifferenceFigure,
  MetricFigure,
  rounded
} from '../components/figures';
import { figure, literal } from '../components/format';
import { metricDomain } from '../model/models';

type Facts = Record<string, unknown>;

/** The evidence of one answer; the kinds of gates are open, so that anything is shown somehow. */
export function Evidence(props: { result: GateResult }): JSX.Element | null {
  const trans = useTrans();
  const { metric, slices, bins, differences, ...rest } = props.result.evidence;
  const isPaired = 'candidate' in rest && 'champion' in rest && 'low' in rest;
  const paired = isPaired ? (rest as unknown as Difference) : null;
  const plain = paired ? {} : (rest as Facts);
  return (
    <div className="mn-Evidence">
      {isMetric(metric) && (
        <p>
          <MetricFigure metric={metric} domain={metricDomain([metric])} wordy />{' '}
          <span className="mn-quiet">
            {trans.__('on %1 rows', metric.n.toLocaleString())}
          </span>
        </p>
      )}
      {paired && <Paired difference={paired} />}
      {Array.isArray(slices) && <Slices slices={slices as ISlice[]} />}
      {Array.isArray(bins) && bins.length > 0 && <Calibration bins={bins as IBin[]} />}
      {Array.isArray(differences) &&
        (differences.length ? (
          <ul>
            {differences.map(one => (
              <li key={literal(one)}>{literal(one)}</li>
            ))}
          </ul>
        ) : (
          <p className="mn-quiet">{trans.__('No differences.')}</p>
        ))}
      <Plain facts={plain} />
    </div>
  );
}

function isMetric(value: unknown): value is Metric {
  return typeof value === 'object' && value !== null && 'value' in value;
}

function Paired(props: { difference: Difference }): JSX.Element {
  const trans = useTrans();
  const { difference } = props;
  return (
    <p>
      {trans.__(
        '%1, the champion %2, on the same %3 rows:',
        rounded(difference.candidate),
        rounded(difference.champion),
        difference.n.toLocaleString()
      )}{' '}
      <DifferenceFigure difference={difference} domain={aroundZero([difference])} />
    </p>
  );
}

interface ISlice extends Difference {
  readonly column: string;
  readonly value: string;
  readonly worse: boolean;
}

function Slices(props: { slices: readonly ISlice[] }): JSX.Element {
  const trans = useTrans();
  const slices = [...props.slices].sort((a, b) => a.difference - b.difference);
  const domain = aroundZero(slices);
  return (
    <table className="mn-Table" aria-label={trans.__('Slices')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('Slice')}</th>
          <th scope="col" className="mn-mod-end">
            {trans.__('Rows')}
          </th>
          <th scope="col">{trans.__('Against the champion')}</th>
        </tr>
      </thead>
      <tbody>
        {slices.map(slice => (
          <tr key={`${slice.column}=${slice.value}`}>
            <th scope="row">
              {slice.column} = {slice.value}
            </th>
            <td className="mn-mod-end">{slice.n.toLocaleString()}</td>
            <td>
              <DifferenceFigure difference={slice} domain={domain} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface IBin {
  readonly predicted: number;
  readonly observed: number;
  readonly n: number;
}

function Calibration(props: { bins: readonly IBin[] }): JSX.Element {
  const trans = useTrans();
  return (
    <div className="mn-Evidence-chart">
      <LineChart
        label={trans.__('Predicted against observed share; the diagonal is perfect')}
        series={[
          {
            name: trans.__('observed'),
            role: 'now',
            dots: true,
            points: props.bins.map(bin => ({ x: bin.predicted, y: bin.observed }))
          }
        ]}
        xDomain={[0, 1]}
        yDomain={[0, 1]}
        xLabel={trans.__('predicted')}
        height={200}
        diagonal
      />
    </div>
  );
}

function Plain(props: { facts: Facts }): JSX.Element | null {
  const facts = Object.entries(props.facts);
  return facts.length ? (
    <table className="mn-Values">
      <tbody>
        {facts.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name.replace(/_/g, ' ')}</th>
            <td>
              {name === 'bytes' && typeof value === 'number'
                ? bytes(value)
                : typeof value === 'number'
                  ? figure(value)
                  : literal(value)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  ) : null;
}
