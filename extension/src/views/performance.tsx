/** Performance over time: realised with intervals, estimated without labels, expected. */

import type { PerformanceSeries } from '../api';
import { LineChart, percent, type ISeries } from '../components/chart';
import { useArg, useTrans } from '../components/context';
import { intervalText, rounded } from '../components/figures';
import { Mark } from '../components/status';
import { trackOf, type ITrack, type ITrackPoint } from '../model/drift';
import type { Trans } from '../tokens';

export function Performance(props: { series: PerformanceSeries }): JSX.Element {
  const trans = useTrans();
  const { series } = props;
  const [asked, setAsked] = useArg<string>('metric', '');
  const metric = series.metrics.includes(asked) ? asked : preferred(series);
  if (!metric) {
    return (
      <p className="mn-quiet">
        {trans.__(
          'No labels have arrived, and the model gives no scores to estimate from: there is nothing to show yet.'
        )}
      </p>
    );
  }
  const track = trackOf(series, metric);
  const skill = series.skills.find(one => one.metric === metric);
  return (
    <>
      <p>
        <select
          className="mn-Select"
          aria-label={trans.__('Metric')}
          value={metric}
          onChange={event => setAsked(event.target.value)}
        >
          {series.metrics.map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>{' '}
        {track.bad.size > 0 && (
          <Mark glyph="warning" tone="warn">
            {trans.__('not as expected in %1', [...track.bad].join(', '))}
          </Mark>
        )}
      </p>
      <LineChart
        label={trans.__(
          '%1 by window: realised, estimated and expected; the table below has the values',
          metric
        )}
        series={seriesOf(track, trans)}
        xTicks={track.windows.map((text, at) => ({ at, text }))}
        xDomain={[0, Math.max(1, track.windows.length - 1)]}
        height={240}
      />
      {skill && (
        <p className={skill.weak ? '' : 'mn-quiet'}>
          {skill.weak ? (
            <Mark glyph="warning" tone="warn">
              {skill.text}
            </Mark>
          ) : (
            skill.text
          )}
        </p>
      )}
      <Numbers track={track} metric={metric} />
    </>
  );
}

/** The metric that is shown first: one of which something is expected. */
function preferred(series: PerformanceSeries): string | undefined {
  return (
    series.gaps.find(gap => gap.aspect === 'performance')?.metric ??
    series.gaps[0]?.metric ??
    series.metrics[0]
  );
}

function seriesOf(track: ITrack, trans: Trans): ISeries[] {
  const place = (window: string) => track.windows.indexOf(window);
  const title = (point: ITrackPoint) =>
    `${point.window}: ${rounded(point.value)} (${intervalText(point, trans)})`;
  const all: ISeries[] = [
    {
      name: trans.__('expected from the reference'),
      role: 'expected',
      points: track.expected.map(one => ({ x: place(one.window), y: one.value }))
    },
    {
      name: trans.__('estimated without labels'),
      role: 'then',
      dashed: true,
      points: track.estimated.map(point => ({
        x: place(point.window),
        y: point.value,
        title: title(point)
      }))
    },
    {
      name: trans.__('realised, 95% interval'),
      role: 'now',
      dots: true,
      points: track.realised.map(point => ({
        x: place(point.window),
        y: point.value,
        low: point.low,
        high: point.high,
        title: title(point)
      }))
    }
  ];
  return all.filter(series => series.points.length);
}

function Numbers(props: { track: ITrack; metric: string }): JSX.Element {
  const trans = useTrans();
  const { track, metric } = props;
  const by = <T extends { window: string }>(points: readonly T[], window: string) =>
    points.find(point => point.window === window);
  return (
    <details className="mn-Folded">
      <summary>{trans.__('The values of %1', metric)}</summary>
      <table className="mn-Table" aria-label={trans.__('Performance by window')}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Window')}</th>
            <th scope="col">{trans.__('Realised')}</th>
            <th scope="col">{trans.__('Labels')}</th>
            <th scope="col">{trans.__('Estimated')}</th>
            <th scope="col">{trans.__('Expected')}</th>
          </tr>
        </thead>
        <tbody>
          {track.windows.map(window => {
            const realised = by(track.realised, window);
            const estimated = by(track.estimated, window);
            const expected = by(track.expected, window);
            return (
              <tr key={window}>
                <th scope="row">{window}</th>
                <td className="mn-number">
                  {realised && (
                    <>
                      {rounded(realised.value)}{' '}
                      <span className="mn-quiet">{intervalText(realised, trans)}</span>
                    </>
                  )}
                </td>
                <td className="mn-number">{realised && percent(realised.coverage)}</td>
                <td className="mn-number">
                  {estimated && (
                    <>
                      {rounded(estimated.value)}{' '}
                      <span className="mn-quiet">{intervalText(estimated, trans)}</span>
                    </>
                  )}
                </td>
                <td className="mn-number">{expected && rounded(expected.value)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </details>
  );
}
