! A record whose array is sent without a copy: the program builds the message with put and a loan. The peer views or
! decodes it.
program loans
   use linkspan
   use lab_reading_messages
   implicit none
   type(linkspan_options) :: options
   type(linkspan_listener) :: listener
   type(linkspan_channel) :: one, two
   type(linkspan_message) :: message, received
   type(lab_reading) :: first, second
   real(real64), pointer :: wave(:, :), view(:, :)
   real(real64), pointer :: flat(:)
   character(:), allocatable :: why
   integer :: count, stat
   options%schema = lab_reading_schema()
   options%validate = "both"
   call listener%listen("shm:test/reading", options)
   call one%connect("shm:test/reading", options)
   call listener%accept(two)
   first%wave = reshape([1.0_real64, 2.0_real64], [1, 2])
   call first%encode(message)
   call one%send(message)
   call two%recv(received)
   call second%decode(received)
   if (any(second%wave /= first%wave)) error stop "a record that is copied"

   call one%loan(wave, [3, 4096])
   wave = 1.5_real64
   wave(3, 4096) = -1
   call message%clear()
   call message%put("celsius", 21.4_real64)
   call message%put_loan("wave", wave)
   call one%send(message)
   call one%stats(message)
   call message%get("arrays_in_slots", count)
   if (count /= 1) error stop "the loan was copied"
   call two%recv(received)
   call received%get("wave", view)
   if (view(3, 4096) /= -1 .or. view(1, 1) /= 1.5_real64) error stop "a view"
   call second%decode(received)
   if (any(shape(second%wave) /= [3, 4096]) .or. second%wave(3, 4096) /= -1) error stop "decoded"
   ! The schema also applies to such a message.
   call one%loan(flat, [4096])
   call message%clear()
   call message%put("celsius", 21.4_real64)
   call message%put_loan("wave", flat)
   call one%send(message, stat=stat, errmsg=why)
   if (stat /= linkspan_wrong_type .or. index(why, "at path wave") == 0) error stop "the schema"
   call one%close(timeout=0.0_real64, stat=stat)
   call two%close(timeout=0.0_real64, stat=stat)
   print '(a)', "ok"
end program
