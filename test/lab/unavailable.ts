/** The machine cannot have what the lab needs; the message says what and how to get it. */
export class LabUnavailable extends Error {
  override readonly name = 'LabUnavailable';
}
