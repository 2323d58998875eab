/** One column of one window against its reference: overlay, shares, quantiles, tests. */

import { closeIcon } from '@jupyterlab/ui-components';
import type { ColumnDrift, Finding } from '../api';
import { Overlay, percent } from '../components/chart';
import { useTrans } from '../components/context';
import { rounded } from '../components/figures';
import { figure } from '../components/format';
import { useServer } from '../components/server';
import { Loaded } from '../components/states';
import { Spacer, ToolButton } from '../components/toolbar';
import { got } from '../request';
import { severityMark } from './alerts';
import { stateText, type ICellPlace } from './heatmap';

export function ColumnDetails(props: {
  model: string;
  place: ICellPlace;
  baseline: string;
  onClose: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { model, baseline } = props;
  const { column, window } = props.place;
  const drift = useServer<ColumnDrift>(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/monitoring/{model}/column', {
          params: {
            path: { model },
            query: { project: project.path, window, column, baseline }
          },
          signal
        })
      ),
    [model, window, column, baseline]
  );
  return (
    <aside
      className="mn-Details mn-mod-broad"
      aria-label={trans.__('%1 in %2', column, window)}
    >
      <header>
        <h2>
          {column} <span className="mn-quiet">{window}</span>
        </h2>
        <Spacer />
        <ToolButton icon={closeIcon} label={trans.__('Close')} onClick={props.onClose} />
      </header>
      <div aria-live="polite">
        <Loaded
          snapshot={drift.snapshot}
          what={trans.__('Comparing the column…')}
          onRetry={() => void drift.refresh()}
        >
          {value => <Column drift={value} window={window} />}
        </Loaded>
      </div>
    </aside>
  );
}

function Column(props: { drift: ColumnDrift; window: string }): JSX.Element {
  const trans = useTrans();
  const { drift, window } = props;
  const names: [string, string] = [trans.__('reference'), window];
  return (
    <>
      <p className="mn-Details-state">
        {severityMark(drift.severity, stateText(drift.state, trans))}{' '}
        {drift.since && (
          <span className="mn-quiet">{trans.__('since %1', drift.since)}</span>
        )}
      </p>
      {drift.text && <p className="mn-Details-why">{drift.text}</p>}
      {drift.overlay && (
        <Overlay
          label={trans.__('Share of the values, reference against %1', window)}
          edges={drift.overlay.edges}
          reference={drift.overlay.reference}
          current={drift.overlay.current}
          names={names}
        />
      )}
      {drift.shares.length > 0 && <Shares drift={drift} names={names} />}
      {drift.segments.length > 0 && (
        <p>{trans.__('Strongest in: %1', drift.segments.join(', '))}</p>
      )}
      <Values drift={drift} names={names} />
      <Findings findings={drift.findings} />
    </>
  );
}

function Shares(props: { drift: ColumnDrift; names: [string, string] }): JSX.Element {
  const trans = useTrans();
  const { shares } = props.drift;
  const most = Math.max(...shares.flatMap(one => [one.reference, one.current]), 1e-9);
  return (
    <table className="mn-Shares" aria-label={trans.__('Shares of the categories')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('Category')}</th>
          <th scope="col">{props.names[0]}</th>
          <th scope="col">{props.names[1]}</th>
          <td />
        </tr>
      </thead>
      <tbody>
        {shares.map(one => (
          <tr key={one.label}>
            <th scope="row">{one.is_other ? trans.__('all others') : one.label}</th>
            <td>{percent(one.reference)}</td>
            <td>{percent(one.current)}</td>
            <td className="mn-Shares-bars" aria-hidden="true">
              <div
                className="mn-role-then"
                style={{ width: `${(one.reference / most) * 100}%` }}
              />
              <div
                className="mn-role-now"
                style={{ width: `${(one.current / most) * 100}%` }}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Values(props: { drift: ColumnDrift; names: [string, string] }): JSX.Element {
  const trans = useTrans();
  const { drift } = props;
  const rows: [string, string, string][] = [
    [
      trans.__('values'),
      drift.reference_count.toLocaleString(),
      drift.current_count.toLocaleString()
    ],
    [
      trans.__('missing'),
      percent(drift.reference_null_rate),
      percent(drift.current_null_rate)
    ],
    ...drift.quantiles.map((one): [string, string, string] => [
      one.p === 0.5 ? trans.__('median') : trans.__('%1 quantile', percent(one.p)),
      rounded(one.reference),
      rounded(one.current)
    ])
  ];
  return (
    <table className="mn-Table mn-mod-small" aria-label={trans.__('Values')}>
      <thead>
        <tr>
          <td />
          {props.names.map(name => (
            <th key={name} scope="col" className="mn-mod-end">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, then, now]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="mn-mod-end mn-number">{then}</td>
            <td className="mn-mod-end mn-number">{now}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Findings(props: { findings: readonly Finding[] }): JSX.Element {
  const trans = useTrans();
  const found = [...props.findings].sort(
    (a, b) => b.value / (b.threshold || 1) - a.value / (a.threshold || 1)
  );
  return (
    <section aria-label={trans.__('Tests')}>
      <h3>{trans.__('Tests')}</h3>
      <table className="mn-Table mn-mod-small" aria-label={trans.__('Tests')}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Aspect')}</th>
            <th scope="col" className="mn-mod-end">
              {trans.__('Change')}
            </th>
            <th scope="col" className="mn-mod-end">
              {trans.__('Allowed')}
            </th>
          </tr>
        </thead>
        <tbody>
          {found.map(one => (
            <tr key={`${one.aspect} ${one.measure}`} title={one.text || undefined}>
              <th scope="row">
                {severityMark(
                  one.drifted ? 'warning' : 'none',
                  one.aspect === one.measure ? one.aspect : `${one.aspect}, ${one.measure}`
                )}
              </th>
              <td className="mn-mod-end mn-number">
                {figure(Number(one.value.toPrecision(3)))}
              </td>
              <td className="mn-mod-end mn-number">
                {figure(Number(one.threshold.toPrecision(3)))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
