/** A table that sorts, selects and opens rows, by mouse and by keyboard. */

import {
  useMemo,
  useState,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode
} from 'react';
import { useTrans } from './context';

export interface IColumn<R> {
  readonly id: string;
  readonly header: string;
  readonly render: (row: R) => ReactNode;
  /** What to sort by; a column without it cannot be sorted by. */
  readonly sort?: (row: R) => string | number | null;
  readonly align?: 'end';
  /** Leave the column out where the view is narrow. */
  readonly wide?: boolean;
}

export interface ITableProps<R> {
  readonly label: string;
  readonly columns: readonly IColumn<R>[];
  readonly rows: readonly R[];
  readonly keyOf: (row: R) => string;
  /** Said for a row by a screen reader where it is chosen. */
  readonly nameOf: (row: R) => string;
  readonly onOpen?: (row: R) => void;
  /** Keys of chosen rows; with it every row gets a box. */
  readonly chosen?: ReadonlySet<string>;
  readonly onChoose?: (chosen: Set<string>) => void;
  readonly active?: string;
}

export function Table<R>(props: ITableProps<R>): JSX.Element {
  const trans = useTrans();
  const [order, setOrder] = useState<{ id: string; down: boolean } | null>(null);
  const rows = useMemo(() => {
    const by = props.columns.find(column => column.id === order?.id)?.sort;
    return by ? sorted(props.rows, by, order!.down) : props.rows;
  }, [props.rows, props.columns, order]);

  const choose = (key: string) => {
    const next = new Set(props.chosen);
    if (!next.delete(key)) {
      next.add(key);
    }
    props.onChoose?.(next);
  };

  return (
    <table className="mn-Table" aria-label={props.label}>
      <thead>
        <tr>
          {props.chosen && (
            <td className="mn-Table-box">
              <span className="mn-hidden">{trans.__('Choose')}</span>
            </td>
          )}
          {props.columns.map(column => (
            <th
              key={column.id}
              scope="col"
              className={classOf(column)}
              aria-sort={
                order?.id === column.id
                  ? order.down
                    ? 'descending'
                    : 'ascending'
                  : undefined
              }
            >
              {column.sort ? (
                <button
                  type="button"
                  onClick={() =>
                    setOrder(
                      order?.id !== column.id
                        ? { id: column.id, down: false }
                        : order.down
                          ? null
                          : { id: column.id, down: true }
                    )
                  }
                >
                  {column.header}
                  <SortMark on={order?.id === column.id} down={order?.down ?? false} />
                </button>
              ) : (
                column.header
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => {
          const key = props.keyOf(row);
          return (
            <tr
              key={key}
              tabIndex={props.onOpen ? (index === 0 ? 0 : -1) : undefined}
              className={key === props.active ? 'mn-mod-active' : undefined}
              aria-current={key === props.active ? true : undefined}
              onClick={event => !onControl(event) && props.onOpen?.(row)}
              onKeyDown={event => walk(event, () => props.onOpen?.(row))}
            >
              {props.chosen && (
                <td className="mn-Table-box">
                  <input
                    type="checkbox"
                    aria-label={trans.__('Choose %1', props.nameOf(row))}
                    checked={props.chosen.has(key)}
                    onChange={() => choose(key)}
                  />
                </td>
              )}
              {props.columns.map(column => (
                <td key={column.id} className={classOf(column)}>
                  {column.render(row)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function SortMark(props: { on: boolean; down: boolean }): JSX.Element {
  return (
    <span className={`mn-SortMark ${props.on ? '' : 'mn-mod-off'}`} aria-hidden="true">
      {props.down && props.on ? '▾' : '▴'}
    </span>
  );
}

function classOf<R>(column: IColumn<R>): string | undefined {
  const names = [column.align && 'mn-mod-end', column.wide && 'mn-mod-wide'].filter(
    Boolean
  );
  return names.length ? names.join(' ') : undefined;
}

function onControl(event: MouseEvent): boolean {
  return (event.target as Element).closest('button, a, input, select') !== null;
}

/** Arrow keys walk the rows; Enter and Space open one. */
function walk(event: KeyboardEvent<HTMLTableRowElement>, open: () => void): void {
  const row = event.currentTarget;
  if (event.target !== row) {
    return;
  }
  const to: Record<string, Element | null | undefined> = {
    ArrowDown: row.nextElementSibling,
    ArrowUp: row.previousElementSibling,
    Home: row.parentElement?.firstElementChild,
    End: row.parentElement?.lastElementChild
  };
  if (event.key === 'Enter' || event.key === ' ') {
    open();
  } else if (event.key in to) {
    (to[event.key] as HTMLElement | null)?.focus();
  } else {
    return;
  }
  event.preventDefault();
}

function sorted<R>(
  rows: readonly R[],
  by: (row: R) => string | number | null,
  down: boolean
): R[] {
  const compare = (a: R, b: R): number => {
    const [left, right] = [by(a), by(b)];
    if (left === null || right === null) {
      return left === right ? 0 : left === null ? 1 : -1; // what is missing stays last
    }
    const sign = down ? -1 : 1;
    if (typeof left === 'number' && typeof right === 'number') {
      return sign * (left - right);
    }
    return sign * String(left).localeCompare(String(right), undefined, { numeric: true });
  };
  return [...rows].sort(compare);
}

/** Marks a search's hit in a text. */
export function Hit(props: { text: string; query: string }): JSX.Element {
  const at = props.query ? props.text.toLowerCase().indexOf(props.query.toLowerCase()) : -1;
  if (at < 0) {
    return <>{props.text}</>;
  }
  const end = at + props.query.length;
  return (
    <>
      {props.text.slice(0, at)}
      <mark>{props.text.slice(at, end)}</mark>
      {props.text.slice(end)}
    </>
  );
}
