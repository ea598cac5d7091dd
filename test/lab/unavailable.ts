/** This machine cannot have what the lab needs. The message says what, and how to get it. */
export class LabUnavailable extends Error {
  override readonly name = 'LabUnavailable';
}
