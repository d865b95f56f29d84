# Autolab's hooks for this assessment: none.  Older installations ask for the file.
module {module}
end
