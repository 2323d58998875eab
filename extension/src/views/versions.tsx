/** Two versions side by side: figures with intervals, slices, curves, and what differs. */

import { useMemo } from 'react';
import type { Change, Comparison, Curves, ModelVersion } from '../api';
import { Ago } from '../components/clock';
import { LineChart, type ISeries } from '../components/chart';
import { useArg, useTrans } from '../components/context';
import { aroundZero, DifferenceFigure, MetricFigure, rounded } from '../components/figures';
import { Frame } from '../components/frame';
import { compareIcon } from '../components/icons';
import { useServer } from '../components/server';
import { Loaded } from '../components/states';
import { Table, type IColumn } from '../components/table';
import { metricDomain } from '../model/models';
import { got } from '../request';
import type { Trans } from '../tokens';
import { MODEL_EVENTS, useVersions } from './modelserver';
import { VersionName, VersionState } from './versionmarks';
import type { IView } from './view';

export const versionsView: IView = {
  id: 'versions',
  icon: compareIcon,
  component: Versions,
  title: (trans, args) => trans.__('Compare %1', String(args.model ?? '')),
  caption: trans => trans.__('Two versions of a model side by side'),
  key: args => String(args.model),
  listed: false
};

function Versions(): JSX.Element {
  const trans = useTrans();
  const [model] = useArg<string>('model', '');
  const [left, setLeft] = useArg<string>('left', 'champion');
  const [right, setRight] = useArg<string>('right', 'latest');
  const versions = useVersions(model);
  const compared = useServer<Comparison>(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/models/{model}/compare', {
          params: { path: { model }, query: { project: project.path, left, right } },
          signal
        })
      ),
    [model, left, right],
    { on: MODEL_EVENTS }
  );
  const known = versions.value?.versions ?? [];
  return (
    <Frame
      label={trans.__('Compare versions')}
      onRefresh={() => void compared.refresh()}
      toolbar={
        <>
          <Picker
            label={trans.__('Held against')}
            value={left}
            versions={known}
            onPick={setLeft}
          />
          <Picker
            label={trans.__('Compared')}
            value={right}
            versions={known}
            onPick={setRight}
          />
        </>
      }
    >
      <Loaded
        snapshot={compared.snapshot}
        what={trans.__('Comparing both on the same rows…')}
        onRetry={() => void compared.refresh()}
      >
        {value => <Side comparison={value} />}
      </Loaded>
    </Frame>
  );
}

function Picker(props: {
  label: string;
  value: string;
  versions: readonly ModelVersion[];
  onPick: (value: string) => void;
}): JSX.Element {
  const aliases = [...new Set(props.versions.flatMap(version => version.aliases))];
  const names = [
    ...aliases,
    'latest',
    ...props.versions.map(version => String(version.version))
  ];
  const known = names.includes(props.value) ? names : [props.value, ...names];
  return (
    <label className="mn-Picker">
      {props.label}{' '}
      <select
        className="mn-Select"
        value={props.value}
        onChange={event => props.onPick(event.target.value)}
      >
        {known.map(name => (
          <option key={name} value={name}>
            {/^\d+$/.test(name) ? `v${name}` : name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Side(props: { comparison: Comparison }): JSX.Element {
  const trans = useTrans();
  const { comparison } = props;
  const { left, right, metrics, slices, paired_rows: rows, note } = comparison;
  const paired = metrics.map(pair => pair.paired);
  return (
    <div className="mn-Scroll mn-Page">
      <div className="mn-Columns">
        {[left, right].map((version, index) => (
          <section
            key={index}
            className="mn-Holder"
            aria-label={index ? trans.__('Compared') : trans.__('Held against')}
          >
            <div className="mn-Head">
              <span className={`mn-Swatch mn-role-${index ? 'now' : 'then'}`} />
              <VersionName version={version} />
              <VersionState version={version} />
              <Ago time={version.created} />
            </div>
          </section>
        ))}
      </div>
      <section aria-label={trans.__('Metrics')}>
        <h3>{trans.__('Metrics')}</h3>
        <p className="mn-quiet">
          {rows
            ? trans.__(
                'Each with its 95% interval on its own holdout; the difference on the %1 rows that both were scored on, above zero where v%2 is better.',
                rows.toLocaleString(),
                right.version
              )
            : note}
        </p>
        <table className="mn-Table" aria-label={trans.__('Metrics')}>
          <thead>
            <tr>
              <th scope="col">{trans.__('Metric')}</th>
              <th scope="col">v{left.version}</th>
              <th scope="col">v{right.version}</th>
              <th scope="col">{trans.__('Difference on the same rows')}</th>
            </tr>
          </thead>
          <tbody>
            {metrics.map((pair, index) => {
              const domain = metricDomain([pair.left, pair.right]);
              return (
                <tr key={pair.name}>
                  <th scope="row">{pair.name}</th>
                  <td>
                    <MetricFigure metric={pair.left} domain={domain} wordy />
                  </td>
                  <td>
                    <MetricFigure metric={pair.right} domain={domain} wordy />
                  </td>
                  <td>
                    <DifferenceFigure
                      difference={paired[index]}
                      domain={aroundZero([paired[index]])}
                    />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      <Pictures comparison={comparison} />
      {slices.length > 0 && <Slices comparison={comparison} />}
      <Changes comparison={comparison} />
    </div>
  );
}

function Slices(props: { comparison: Comparison }): JSX.Element {
  const trans = useTrans();
  const { slices, left, right } = props.comparison;
  const [column, setColumn] = useArg<string>('slices', '');
  const columns = useMemo(() => {
    const domain = aroundZero(slices.map(slice => slice.difference));
    return sliceColumns(domain, left.version, right.version, trans);
  }, [slices, trans]);
  const known = [...new Set(slices.map(slice => slice.column))];
  const rows = slices
    .filter(slice => !column || slice.column === column)
    .sort((a, b) => a.difference.difference - b.difference.difference);
  return (
    <section aria-label={trans.__('Slices')}>
      <h3>
        {trans.__('Slices, the worst first')}{' '}
        <select
          className="mn-Select"
          aria-label={trans.__('Column to slice by')}
          value={column}
          onChange={event => setColumn(event.target.value)}
        >
          <option value="">{trans.__('every column')}</option>
          {known.map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </h3>
      <Table
        label={trans.__('Slices')}
        columns={columns}
        rows={rows}
        keyOf={slice => `${slice.column}=${slice.value} ${slice.metric}`}
        nameOf={slice => `${slice.column} = ${slice.value}`}
      />
    </section>
  );
}

type Slice = Comparison['slices'][number];

function sliceColumns(
  domain: readonly [number, number],
  left: number,
  right: number,
  trans: Trans
): IColumn<Slice>[] {
  return [
    {
      id: 'slice',
      header: trans.__('Slice'),
      render: slice => `${slice.column} = ${slice.value}`,
      sort: slice => `${slice.column} ${slice.value}`
    },
    {
      id: 'rows',
      header: trans.__('Rows'),
      align: 'end',
      render: slice => slice.n.toLocaleString(),
      sort: slice => slice.n
    },
    { id: 'metric', header: trans.__('Metric'), render: slice => slice.metric, wide: true },
    {
      id: 'left',
      header: `v${left}`,
      align: 'end',
      render: slice => rounded(slice.left),
      sort: slice => slice.left
    },
    {
      id: 'right',
      header: `v${right}`,
      align: 'end',
      render: slice => rounded(slice.right),
      sort: slice => slice.right
    },
    {
      id: 'difference',
      header: trans.__('Difference'),
      render: slice => <DifferenceFigure difference={slice.difference} domain={domain} />,
      sort: slice => slice.difference.difference
    }
  ];
}

/** ROC, precision and recall, calibration and scores of both, where they exist. */
function Pictures(props: { comparison: Comparison }): JSX.Element | null {
  const trans = useTrans();
  const { left, right, left_curves: then, right_curves: now } = props.comparison;
  const pair = (pick: (curves: Curves) => ISeries['points'], dots = false): ISeries[] =>
    [
      { name: `v${left.version}`, role: 'then' as const, points: pick(then), dots },
      { name: `v${right.version}`, role: 'now' as const, points: pick(now), dots }
    ].filter(series => series.points.length);
  const zipped = (points: { x: number[]; y: number[] }) =>
    points.x.map((x, index) => ({ x, y: points.y[index] }));
  const pictures = [
    {
      title: trans.__('ROC'),
      series: pair(curves => zipped(curves.roc)),
      x: trans.__('false positive rate'),
      unit: true,
      diagonal: true
    },
    {
      title: trans.__('Precision and recall'),
      series: pair(curves => zipped(curves.precision_recall)),
      x: trans.__('recall'),
      unit: true
    },
    {
      title: trans.__('Calibration'),
      series: pair(
        curves => curves.calibration.map(bin => ({ x: bin.predicted, y: bin.observed })),
        true
      ),
      x: trans.__('predicted share; the dashed line is perfect'),
      unit: true,
      diagonal: true
    },
    {
      title: trans.__('Scores'),
      series: pair(curves => zipped(curves.scores)),
      x: trans.__('score; share of the rows')
    }
  ].filter(picture => picture.series.length);
  return pictures.length ? (
    <section aria-label={trans.__('Curves')}>
      <h3>{trans.__('Curves')}</h3>
      <div className="mn-Pictures">
        {pictures.map(picture => (
          <div key={picture.title}>
            <h4>{picture.title}</h4>
            <LineChart
              label={trans.__(
                '%1 of %2',
                picture.title,
                picture.series.map(series => series.name).join(', ')
              )}
              series={picture.series}
              xLabel={picture.x}
              xDomain={picture.unit ? [0, 1] : undefined}
              yDomain={picture.unit ? [0, 1] : undefined}
              diagonal={picture.diagonal}
              height={230}
            />
          </div>
        ))}
      </div>
    </section>
  ) : null;
}

function Changes(props: { comparison: Comparison }): JSX.Element {
  const trans = useTrans();
  const { params, data, requirements, signature, left, right } = props.comparison;
  const rows: (Change & { kind: string })[] = [
    ...params.map(one => ({ ...one, kind: trans.__('parameter') })),
    ...data.map(one => ({ ...one, kind: trans.__('data') })),
    ...requirements.map(one => ({ ...one, kind: trans.__('package') })),
    ...signature.map(one => ({ ...one, kind: trans.__('column') }))
  ];
  return (
    <section aria-label={trans.__('What differs')}>
      <h3>{trans.__('What differs')}</h3>
      {rows.length ? (
        <table className="mn-Table" aria-label={trans.__('What differs')}>
          <thead>
            <tr>
              <th scope="col">{trans.__('What')}</th>
              <th scope="col">{trans.__('Name')}</th>
              <th scope="col">v{left.version}</th>
              <th scope="col">v{right.version}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr key={`${row.kind} ${row.name}`}>
                <td className="mn-quiet">{row.kind}</td>
                <th scope="row">{row.name}</th>
                {[row.left, row.right].map((text, index) => (
                  <td key={index}>
                    <code title={text}>
                      {/^[0-9a-f]{64}$/.test(text) ? text.slice(0, 16) : text}
                    </code>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="mn-quiet">
          {trans.__('Neither parameters, data, packages nor columns.')}
        </p>
      )}
    </section>
  );
}
