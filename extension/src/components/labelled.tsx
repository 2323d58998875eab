/** A field of a form below its label. */

import { useId, type ReactNode } from 'react';

export function Labelled(props: {
  label: string;
  children: (id: string) => ReactNode;
}): JSX.Element {
  const id = useId();
  return (
    <div className="mn-Field">
      <label htmlFor={id}>{props.label}</label>
      <div className="mn-Field-row">{props.children(id)}</div>
    </div>
  );
}
