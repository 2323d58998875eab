/** A field of a form below its label. */

import { useId, type ReactNode } from 'react';

export function Labelled(props: {
  label: string;
  /** What stands below it. */
  help?: string;
  children: (id: string, help: string | undefined) => ReactNode;
}): JSX.Element {
  const id = useId();
  const help = props.help ? `${id}-help` : undefined;
  return (
    <div className="mn-Field">
      <label htmlFor={id}>{props.label}</label>
      <div className="mn-Field-row">{props.children(id, help)}</div>
      {props.help && (
        <div id={help} className="mn-Field-help">
          {props.help}
        </div>
      )}
    </div>
  );
}
