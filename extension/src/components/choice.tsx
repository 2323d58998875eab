/** A field of a form that takes one of a few values. */

import { Labelled } from './labelled';

export type Choices<T> = readonly (readonly [value: T, text: string])[];

export function Choice<T extends string | number>(props: {
  label: string;
  value: T;
  choices: Choices<T>;
  onChange: (value: T) => void;
  /** Those that cannot be chosen now. */
  disabled?: readonly T[];
  /** What stands below it. */
  help?: string;
}): JSX.Element {
  const { choices } = props;
  return (
    <Labelled label={props.label} help={props.help}>
      {(id, help) => (
        <select
          id={id}
          className="mn-Select"
          value={props.value}
          aria-describedby={help}
          onChange={event => {
            const found = choices.find(([value]) => String(value) === event.target.value);
            if (found) {
              props.onChange(found[0]);
            }
          }}
        >
          {choices.map(([value, text]) => (
            <option key={value} value={value} disabled={props.disabled?.includes(value)}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}
