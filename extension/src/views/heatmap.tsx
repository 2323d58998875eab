/** Columns against windows: values as text, colour beside them; arrow keys walk the cells. */

import { useRef, useState, type KeyboardEvent } from 'react';
import type { HeatCell, HeatColumn, HeatMap } from '../api';
import { useTrans } from '../components/context';
import { heatTone, warmth } from '../model/drift';
import type { Trans } from '../tokens';

export interface ICellPlace {
  readonly column: string;
  readonly window: string;
}

export function HeatMapTable(props: {
  map: HeatMap;
  columns: readonly HeatColumn[];
  chosen: ICellPlace | null;
  onChoose: (place: ICellPlace) => void;
}): JSX.Element {
  const trans = useTrans();
  const { map, columns } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const last = map.windows.length - 1;
  const [focus, setFocus] = useState<[number, number]>([0, last]);
  const at: [number, number] = [
    Math.min(focus[0], columns.length - 1),
    Math.min(focus[1], last)
  ];
  const go = (row: number, place: number) => {
    const next: [number, number] = [
      Math.max(0, Math.min(columns.length - 1, row)),
      Math.max(0, Math.min(last, place))
    ];
    setFocus(next);
    const cell = body.current?.rows[next[0]]?.cells[next[1] + 1];
    cell?.querySelector<HTMLElement>('button')?.focus();
  };
  const walk = (event: KeyboardEvent, row: number, place: number) => {
    const to: Record<string, [number, number]> = {
      ArrowUp: [row - 1, place],
      ArrowDown: [row + 1, place],
      ArrowLeft: [row, place - 1],
      ArrowRight: [row, place + 1],
      Home: [row, 0],
      End: [row, last],
      PageUp: [row - 10, place],
      PageDown: [row + 10, place]
    };
    if (event.key in to) {
      event.preventDefault();
      go(...to[event.key]);
    }
  };
  return (
    <div className="mn-Heat-scroll">
      <table
        className="mn-Heat"
        role="grid"
        aria-label={trans.__('Drift by column and window')}
      >
        <thead>
          <tr role="row">
            <th scope="col" role="columnheader" className="mn-Heat-corner">
              {trans.__('Column')}
            </th>
            {map.windows.map(window => (
              <th key={window.window} scope="col" role="columnheader">
                <span
                  title={trans.__(
                    '%1 rows, %2 columns drifted, judged for v%3',
                    window.rows.toLocaleString(),
                    window.drifted,
                    window.version
                  )}
                >
                  {window.window}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {columns.map((column, row) => (
            <tr key={column.column} role="row">
              <th scope="row" role="rowheader">
                <span className="mn-Heat-name" title={column.kind}>
                  {column.column}
                </span>
                <span
                  className="mn-Heat-importance"
                  title={trans.__('Importance %1', column.importance.toFixed(2))}
                >
                  <span style={{ width: `${Math.round(column.importance * 100)}%` }} />
                </span>
              </th>
              {column.cells.map((cell, place) => {
                const window = map.windows[place].window;
                const isChosen =
                  props.chosen?.column === column.column && props.chosen.window === window;
                return (
                  <td key={window} role="gridcell" aria-selected={isChosen}>
                    {cell ? (
                      <button
                        type="button"
                        className={`mn-Heat-cell mn-heat-${heatTone(cell)}`}
                        style={
                          { '--mn-warmth': `${Math.round(warmth(cell) * 100)}%` } as never
                        }
                        tabIndex={row === at[0] && place === at[1] ? 0 : -1}
                        title={cell.text || undefined}
                        aria-label={spoken(column, window, cell, trans)}
                        onFocus={() => setFocus([row, place])}
                        onKeyDown={event => walk(event, row, place)}
                        onClick={() => props.onChoose({ column: column.column, window })}
                      >
                        {short(cell, trans)}
                      </button>
                    ) : (
                      <span
                        className="mn-Heat-cell mn-quiet"
                        title={trans.__('not compared')}
                      >
                        –
                      </span>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How far the change goes, as a multiple of what is allowed. */
function short(cell: HeatCell, trans: Trans): string {
  switch (cell.state) {
    case 'schema':
      return trans.__('schema');
    case 'insufficient data':
      return '?';
    default:
      return cell.score >= 100 ? '>99' : cell.score.toFixed(1);
  }
}

export function stateText(state: HeatCell['state'], trans: Trans): string {
  switch (state) {
    case 'ok':
      return trans.__('as the reference');
    case 'drift':
      return trans.__('drifted');
    case 'schema':
      return trans.__('broke its schema');
    default:
      return trans.__('too few values');
  }
}

function spoken(column: HeatColumn, window: string, cell: HeatCell, trans: Trans): string {
  return [
    trans.__('%1 in %2', column.column, window),
    stateText(cell.state, trans),
    trans.__('%1 times its threshold', cell.score.toFixed(1)),
    cell.text
  ]
    .filter(Boolean)
    .join(', ');
}

/** What the colours mean, in words. */
export function HeatLegend(): JSX.Element {
  const trans = useTrans();
  const entries: [string, string, number][] = [
    ['calm', trans.__('within its threshold'), 40],
    ['warn', trans.__('drifted'), 60],
    ['bad', trans.__('drifted, critical'), 80]
  ];
  return (
    <p className="mn-Heat-legend">
      {trans.__('Numbers are multiples of the threshold; 1 is the border.')}
      {entries.map(([tone, text, share]) => (
        <span key={tone}>
          <span
            className={`mn-Heat-cell mn-heat-${tone}`}
            style={{ '--mn-warmth': `${share}%` } as never}
            aria-hidden="true"
          />
          {text}
        </span>
      ))}
    </p>
  );
}
